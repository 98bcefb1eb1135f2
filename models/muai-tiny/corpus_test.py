"""Tests of the generator: python3 -m unittest corpus_test, standard library only."""
import random
import re
import unittest

import corpus
import stories_things
import turns
import words
from world import Story

CHAT = re.compile(r"(System: [^\n]+\n\n)?User: [^\n]+\n\nAssistant: [^\n]+"
                  r"(\n\nUser: [^\n]+\n\nAssistant: [^\n]+)*")
N_STORIES = 3000


def stories():
    for i in range(N_STORIES):
        yield corpus.tell(random.Random(f"test/{i}"))


class Documents(unittest.TestCase):
    def test_seed_and_index_decide_alone(self):
        one = list(corpus.draw(5, 0, 1200, processes=1))
        two = list(corpus.draw(5, 700, 500, processes=2))
        self.assertEqual(one[700:], two)
        self.assertNotEqual(one[:200], list(corpus.draw(6, 0, 200, processes=1)))

    def test_text_is_clean_and_chat_has_its_format(self):
        n_chats = 0
        for i in range(N_STORIES):
            text = corpus.document(11, i)
            self.assertNotRegex(text, r"[{}\[\]|]|  | [.,!?]|\.\.|\ba [aeio]\w")
            self.assertTrue(text.isascii() and text == text.strip())
            if text.startswith(("User:", "System:")):
                n_chats += 1
                self.assertTrue(CHAT.fullmatch(text), text)
            else:
                self.assertNotIn("Assistant:", text)
        self.assertGreater(n_chats, N_STORIES // 3)

    def test_vocabulary(self):
        seen = set()
        for i in range(8000):
            seen.update(corpus.WORD.findall(corpus.document(12, i).lower()))
        self.assertGreater(len([v for v in seen if v[0].isalpha()]), 2500)

    def test_documents_differ(self):
        texts = [corpus.tell(random.Random(f"d/{i}")).text() for i in range(N_STORIES)]
        self.assertEqual(len(set(texts)), N_STORIES)


class World(unittest.TestCase):
    def test_pronoun_means_one_person_who_is_there(self):
        n = 0
        for story in stories():
            for who, present, now, before in story.pronouns:
                self.assertIn(who, present)
                near = [x for x in now + before if x.sex == who.sex]
                self.assertTrue(all(x is who for x in near), story.text())
                n += 1
        self.assertGreater(n, N_STORIES)

    def test_person_mentioned_was_introduced_by_name(self):
        for story in stories():
            for who in story.cast[:1]:
                self.assertIn(who.name, story.text())

    def test_thing_is_in_one_place(self):
        for story in stories():
            for t in story.things:
                self.assertFalse(t.holder and t.spot, story.text())
                if t.holder:
                    self.assertIn(t.holder, story.cast)

    def test_lost_thing_ends_with_its_owner(self):
        for i in range(500):
            story = Story(random.Random(i))
            stories_things.lost_thing(story)
            self.assertIs(story.roles["t"].holder, story.roles["a"])

    def test_only_the_holder_gives(self):
        story = Story(random.Random(1), animal=False)
        story.child("a"), story.child("b")
        story.thing("t", "a")
        self.assertRaises(AssertionError, story.give, "b", "a", "t")
        self.assertRaises(AssertionError, story.take, "b", "t")
        story.give("a", "b", "t")
        story.leave("a")
        self.assertRaises(AssertionError, story.give, "b", "a", "t")
        self.assertRaises(AssertionError, story.say, "{a} [ran|slept].")

    def test_every_schema_answers_its_questions_from_the_text(self):
        for schema in dict.fromkeys(corpus.SCHEMAS):
            story = Story(random.Random(3))
            schema(story)
            text = story.text().lower()
            self.assertTrue(story.questions, schema.__name__)
            for _, answer in story.questions:
                self.assertTrue(any(len(word) > 3 and word in text for word in
                                    re.findall(r"[a-z]+", answer.lower())), answer)


class Turns(unittest.TestCase):
    def test_sums(self):
        number = {n: i for i, n in enumerate(words.NUMBERS)}
        n = 0
        for i in range(3000):
            _, answer = turns.sums(random.Random(i))
            m = re.fullmatch(r"(\w+) (plus|minus) (\w+) is (\w+)\.", answer.lower())
            if m:
                a, b, c = number[m[1]], number[m[3]], number[m[4]]
                self.assertEqual(a + b if m[2] == "plus" else a - b, c)
                n += 1
        self.assertGreater(n, 1000)

    def test_who_has_it_now(self):
        """Possession followed by a second reader of the text."""
        n = 0
        for i in range(3000):
            question, answer = turns.reading(random.Random(i))
            m = re.search(r"Who has the (\w+ \w+)( now)?\?", question)
            if not m or " has a" not in question and " hold" not in question:
                continue
            holder = None
            for a, got in re.findall(r"(\w+) (?:has|has got|holds) an? (\w+ \w+)\.", question):
                holder = a if got == m[1] else holder
            for a, got, b in re.findall(r"(\w+) (?:gives|hands|brings) the (\w+ \w+) to (\w+)\.", question):
                self.assertEqual((a, got), (holder, m[1]))
                holder = b
            self.assertEqual(answer, f"{holder} has the {m[1]}.")
            n += 1
        self.assertGreater(n, 300)

    def test_opposites_and_days(self):
        for i in range(500):
            q, answer = turns.calendar(random.Random(i))
            m = re.fullmatch(r"(\w+) comes after (\w+)\.", answer)
            if m and m[1] in words.DAYS:
                self.assertEqual((words.DAYS.index(m[2]) + 1) % 7, words.DAYS.index(m[1]))
            q, answer = turns.opposite(random.Random(i))
            m = re.fullmatch(r"The opposite of (\w+) is (\w+)\.", answer)
            self.assertTrue([m[1], m[2]] in words.OPPOSITES or [m[2], m[1]] in words.OPPOSITES)


if __name__ == "__main__":
    unittest.main()
