"""world - the state behind a story, and sentences that respect it.

A Story holds who is there, who holds which thing and where a lost thing lies. Schemas change that
state through methods that check it (give() needs the giver to hold the thing and both to be there)
and tell it with say(), whose templates know the state:

    [big|huge|]   one of the alternatives, nested as you like
    {@happy}      a word of the table of that name
    {a}           a person: the name, or the pronoun where only one person can be meant
    {a.him} {a.his}              the same as object and possessive
    {a.name} {a.own} {a.he} {a.self}   always the name; always his/her, he/she, himself (bound to
                                 the subject of the same sentence)
    {t} {t.a} {t.n} {t.full} {t.it} {t.they} {t.was} {t.is}   a thing
    {p.at} {p.to} {p.the} {p.n}  a place

A pronoun stands only for somebody present, mentioned in this or the previous say(), with nobody
else of the same sex mentioned there; every fourth mention uses the name again.
"""
import re

import words as w

LISTS = {
    "happy": w.HAPPY, "sad": w.SAD, "scared": w.SCARED, "proud": w.PROUD, "sadly": w.SADLY,
    "gladly": w.GLADLY, "color": w.COLORS, "trait": w.TRAITS, "food": w.FOODS, "dish": w.DISHES,
    "drink": w.DRINKS, "time": w.TIMES, "day": w.DAYS, "fine": w.WEATHER_FINE, "month": w.MONTHS,
    "cry": w.SAY_HAPPY, "bird": w.BIRDS, "flower": w.FLOWERS, "tree": w.TREES, "wear": w.WEAR,
    "sky": w.SKY, "far": w.FAR, "lid": w.MATERIALS, "big": w.SIZES, "pattern": w.PATTERNS,
}
PRONOUNS = {"f": ("she", "her", "her", "herself"), "m": ("he", "him", "his", "himself")}
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{([@a-z0-9_]+)(?:\.([a-z]+))?\}")
VOWEL = re.compile(r"\b([Aa]) (?=(?:[aeioAEIO]|u[^ns]|un[^i]|hour|honest))(?!one\b|once\b)")
START = re.compile(r'(^"?|[.!?] +"?|, ")([a-z])')
SPACE = re.compile(r"  +| (?=[.,!?])")
SPEECH = ("said ", "asked ", "cried ", "thought ", "wondered ", "shouted ", "called ")
N_ATTEMPTS_MAX = 50


class Person:
    def __init__(self, name, sex, noun, is_animal=False):
        self.name, self.sex, self.noun, self.is_animal = name, sex, noun, is_animal
        self.unnamed = 0  # pronouns since the name was last said


class Thing:
    def __init__(self, row, adj):
        self.noun, self.kind, self.kept, self.use, self.made, number = row
        self.adj, self.is_plural = adj, number == "p"
        self.holder = self.owner = self.spot = None
        self.known = False

    def form(self, rng, form):
        full = f"{self.adj} {self.noun}" if self.adj else self.noun
        if form == "":
            return "the " + (full if rng.random() < 0.3 else self.noun)
        if form == "a":
            return (rng.choice(("some ", "a pair of ")) if self.is_plural and self.noun not in
                    ("crayons", "marbles", "blocks") else "some " if self.is_plural else "a ") + full
        singular, plural = {"n": (self.noun,) * 2, "full": (full,) * 2, "it": ("it", "them"),
                            "they": ("it", "they"), "was": ("was", "were"), "is": ("is", "are"),
                            "s": ("s", ""), "has": ("has", "have"), "this": ("this", "these"),
                            "thefull": ("the " + full,) * 2}[form]
        return plural if self.is_plural else singular


class Place:
    def __init__(self, row):
        self.noun, self.prep = row[0], row[1]
        self.spots, self.sights = row[2].split("; "), row[3].split("; ")

    def form(self, rng, form):
        return {"": "the " + self.noun, "the": "the " + self.noun, "n": self.noun,
                "at": f"{self.prep} the {self.noun}", "to": f"to the {self.noun}"}[form]


class Story:
    def __init__(self, rng, animal=None):
        self.rng = rng
        self.is_animal = rng.random() < 0.3 if animal is None else animal
        self.roles, self.paragraphs, self.sentences = {}, [], []
        self.present, self.cast, self.things = [], [], []
        self.now, self.before = [], []  # who this and the previous say() mention
        self.questions = []  # (question, answer) that the story supports
        self.pronouns = []  # (person, who was present), for tests
        self.place = None
        self.used_names = set()
        self.topic = None

    # ---- telling ----

    def fill(self, template, is_told=True):
        rng = self.rng
        while "[" in template:
            template = CHOICE.sub(lambda m: rng.choice(m.group(1).split("|")), template)
        text = SLOT.sub(lambda m: self.slot(m.group(1), m.group(2) or "", is_told) if
                        m.group(2) or not m.string.endswith(SPEECH, 0, m.start()) else
                        self.slot(m.group(1), "name", is_told), template)
        text = SPACE.sub(lambda m: " " if len(m.group(0)) > 1 else "", text.strip())
        text = START.sub(lambda m: m.group(1) + m.group(2).upper(), text)
        return VOWEL.sub(r"\1n ", text)

    def say(self, *templates):
        self.now = []
        self.sentences.append(self.fill(self.rng.choice(templates)))
        self.before = self.now

    def maybe(self, p, *templates):
        if self.rng.random() < p:
            self.say(*templates)

    def par(self):
        if self.sentences:
            if self.rng.random() < 0.2:
                self.sentences.append(self.fill(self.rng.choice(w.DETAILS_WORLD)))
            self.paragraphs.append(" ".join(self.sentences))
            self.sentences = []

    def ask(self, question, answer):
        self.questions.append((self.fill(question, False), self.fill(answer, False)))

    def end(self):
        if self.sentences:
            self.paragraphs.append(" ".join(self.sentences))
            self.sentences = []

    def text(self, separator="\n\n"):
        self.end()
        return separator.join(self.paragraphs)

    def slot(self, name, form, is_told):
        if name[0] == "@":
            return self.rng.choice(LISTS[name[1:]])
        value = self.roles[name]
        if isinstance(value, str):
            return value
        if form == "name" and not isinstance(value, Person):
            form = ""
        if isinstance(value, Person):
            if is_told:
                return self.person(value, form)
            he, him, his, _ = PRONOUNS[value.sex]
            return {"noun": value.noun, "own": his, "he": he, "his": value.name + "'s"}.get(
                form, value.name)
        return value.form(self.rng, form)

    def person(self, who, form):
        assert who in self.cast, who.name
        he, him, his, himself = PRONOUNS[who.sex]
        if form == "own":
            return his
        if form == "self":
            return himself
        if form == "he":
            return he
        if form == "noun":
            return who.noun
        if form == "name" or not self.may_pronoun(who):
            if form != "name":
                assert who in self.present, who.name
            self.mention(who, 0)
            return who.name + ("'s" if form == "his" else "")
        self.mention(who, who.unnamed + 1)
        self.pronouns.append((who, tuple(self.present), tuple(self.now), tuple(self.before)))
        return {"": he, "him": him, "his": his}[form]

    def mention(self, who, unnamed):
        who.unnamed = unnamed
        if who not in self.now:
            self.now.append(who)

    def may_pronoun(self, who):
        if who not in self.present or who.unnamed > 3:
            return False
        near = self.now + self.before
        if who not in near or any(x is not who and x.sex == who.sex for x in near):
            return False
        return self.rng.random() < (0.9 if who in self.now else 0.7)

    # ---- people, things, places ----

    def set(self, **roles):
        self.roles.update(roles)

    def name(self, pool):
        """One that nobody in the story has yet. The first of a pool are common and the last rare, as
        names in life are: what a reader learns of common ones then helps with the rare ones."""
        for _ in range(N_ATTEMPTS_MAX):
            name = pool[int(len(pool) * self.rng.random() ** 3)]
            if name not in self.used_names:
                self.used_names.add(name)
                return name
        raise AssertionError("names are used up")

    def child(self, role, sex=None):
        sex = sex or self.rng.choice("fm")
        if self.is_animal:
            noun = self.name(w.HERO_ANIMALS)
            who = Person(self.name(w.ANIMAL_NAMES), sex, noun, True)
        else:
            who = Person(self.name(w.GIRLS if sex == "f" else w.BOYS), sex,
                         "girl" if sex == "f" else "boy")
        return self.join(role, who)

    def elder(self, role, sex=None):
        sex = sex or self.rng.choice("fm")
        if self.is_animal:
            title = self.rng.choice(("Mother", "Grandmother", "Aunt", "Old Mrs.") if sex == "f" else
                                    ("Father", "Grandfather", "Uncle", "Old Mr."))
            noun = self.name(w.HERO_ANIMALS)
            name = f"{title} {noun.capitalize()}"
        elif self.rng.random() < 0.65:
            noun = "grown-up"
            name = self.rng.choice(("Mom", "Mom", "Grandma", "Aunt " + self.name(w.GIRLS))
                                   if sex == "f" else
                                   ("Dad", "Dad", "Grandpa", "Uncle " + self.name(w.BOYS)))
        else:
            noun = "neighbor"
            name = (self.rng.choice(("Mrs. ", "Miss ")) if sex == "f" else "Mr. ") + \
                self.name(w.SURNAMES)
        return self.join(role, Person(name, sex, noun))

    def worker(self, role, job):
        return self.join(role, Person("the " + job, self.rng.choice("fm"), job))

    def pet(self, role, noun=None):
        noun = noun or self.name(w.PETS)
        return self.join(role, Person(self.name(w.ANIMAL_NAMES), self.rng.choice("fm"), noun, True))

    def join(self, role, who):
        self.cast.append(who)
        self.present.append(who)
        self.roles[role] = who
        return who

    def leave(self, role):
        self.present.remove(self.roles[role])

    def enter(self, role):
        assert self.roles[role] not in self.present
        self.present.append(self.roles[role])

    def thing(self, role, owner=None, noun=None, nouns=None):
        noun = noun or self.rng.choice(nouns or w.SMALL)
        row = next(r for r in w.THINGS if r[0] == noun)
        color, adj = self.rng.choice(w.COLORS), self.rng.choice(w.ADJ_THING)
        if row[4] == "wood" and color in ("golden", "silver") or row[1] == "treasure":
            color = ""
        pick = self.rng.random()
        text = (color if pick < 0.4 and row[1] in w.COLORED else adj if pick < 0.8 or not color
                or row[1] not in w.COLORED else
                f"{self.rng.choice(('little', 'small', 'big', 'old', 'new', 'shiny'))} {color}")
        t = Thing(row, text)
        self.things.append(t)
        self.roles[role] = t
        if owner:
            t.owner = t.holder = self.roles[owner]
        return t

    def at(self, role="p", nouns=None):
        if nouns is None and self.is_animal:
            nouns = w.words("forest meadow pond river hill garden farm orchard lake")
        rows = [r for r in w.PLACES if nouns is None or r[0] in nouns]
        self.place = self.roles[role] = Place(self.rng.choice(rows))
        return self.place

    def spots(self, n):
        """n different hiding spots of the place, as roles s1, s2, ..."""
        for i, spot in enumerate(self.rng.sample(self.place.spots, n)):
            self.roles[f"s{i + 1}"] = spot

    # ---- what happens to things ----

    def put(self, who, thing, spot):
        t = self.roles[thing]
        assert t.holder is self.roles[who] and self.roles[who] in self.present
        t.holder, t.spot = None, spot

    def lose(self, thing, spot):
        t = self.roles[thing]
        assert t.holder is not None
        t.holder, t.spot = None, spot

    def take(self, who, thing):
        t = self.roles[thing]
        assert t.holder is None and self.roles[who] in self.present
        t.holder, t.spot = self.roles[who], None

    def give(self, who, whom, thing):
        t = self.roles[thing]
        assert t.holder is self.roles[who], thing
        assert self.roles[who] in self.present and self.roles[whom] in self.present
        t.holder = self.roles[whom]

    # ---- phrases that every schema uses ----

    def opening(self, *roles):
        """Introduce the first person, who is in the world alone or with the others named later."""
        self.set(h=self.roles[roles[0]], size=self.rng.choice(("little", "little", "small", "young")))
        who = self.roles["h"]
        self.set(trait=self.rng.choice(w.TRAITS))
        if who.is_animal:
            home = next(r[3] for r in w.ANIMALS if r[0] == who.noun)
            where = ("near " if home.startswith("a ") or home.startswith("the ") else "in ") + home
            self.set(home=where)
            self.say(
                "Once upon a time, there was a {size} {h.noun} named {h.name}.",
                "Once upon a time, a {size} {h.noun} named {h.name} lived [{home}|in the forest|by "
                "the river|near the old mill].",
                "{h.name} was a {trait} {size} {h.noun} who lived [{home}|at the edge of the forest|"
                "near the pond].",
                "There once was a {trait} {h.noun} [called|named] {h.name}.",
                "In a [quiet|green|big|deep] [forest|valley|meadow] lived a {size} {h.noun}. [Her|His]"
                " name was {h.name}." .replace("[Her|His]", "Her" if who.sex == "f" else "His"))
        else:
            self.say(
                "Once upon a time, there was a {size} {h.noun} named {h.name}.",
                "Once upon a time, a {trait} {h.noun} named {h.name} lived in a [small house|little "
                "village|big city|town by the sea|house on a hill|house with a {@color} door].",
                "{h.name} was a {trait} {size} {h.noun}.",
                "There once was a {h.noun} [called|named] {h.name} who was very {trait}.",
                "{h.name} was [four|five|six|seven|eight|nine] years old and [lived in a {@color} "
                "house|lived near the [park|river|school|market|woods]|went to a small school].",
                "In a [small|quiet|sunny] [town|village] lived a {trait} {h.noun}. "
                + ("Her" if who.sex == "f" else "His") + " name was {h.name}.")
        self.set(trait=self.rng.choice([x for x in w.TRAITS if x != self.roles["trait"]]))
        game = self.rng.choice(w.GAMES)
        self.set(likes=game[0], liking=game[2])
        self.maybe(0.5,
                   "{h} [loved|liked] to {likes}.",
                   "{h} liked {liking} [more than anything|best of all|very much].",
                   "{h} was [very|always|often] {trait}[| and a little {@trait}].",
                   "[Everyone|Everybody] [said|knew] that {h} was {trait}.",
                   "Every day, {h} [loved|liked|wanted] to {likes}.")
        if self.rng.random() < 0.4:
            self.say(*(w.DETAILS_ANIMAL if who.is_animal else w.DETAILS_CHILD))

    def feel(self, role, mood):
        self.set(x=self.roles[role])
        if mood == "happy":
            self.say("{x} was [so|very|really|] {@happy}.", "{x} felt [very |so |]{@happy}.",
                     "{x} [smiled|laughed|clapped|jumped up and down|danced around|grinned|beamed].",
                     "That made {x.him} [very |so |]{@happy}.", "A big smile came over {x.his} face.",
                     "{x} was so {@happy} that {x.he} [danced|sang a little song|laughed out loud].")
        elif mood == "sad":
            self.say("{x} was [so|very|really|] {@sad}.", "{x} felt [very |so |]{@sad}.",
                     "{x} [began|started] to cry.", "{x} [sat down and sighed|hung {x.own} head].",
                     "A tear [ran|rolled] down {x.his} cheek.", "That made {x.him} {@sad}.",
                     "{x} did not know what to do.")
        elif mood == "scared":
            self.say("{x} was [so|very|a little] {@scared}.", "{x} felt {@scared}.",
                     "{x.his} heart [beat fast|went thump, thump].", "{x} [shivered|trembled|gulped].",
                     "{x} [held {x.own} breath|closed {x.own} eyes|hid {x.own} face].")
        else:
            self.say("{x} was [so|very|really] {@proud}.", "{x} felt [very |so |]proud.",
                     "{x} stood [up straight|tall] and smiled.")

    def thanks(self, role, other):
        self.set(x=self.roles[role], y=self.roles[other])
        self.say('"Thank you[ so much| very much|], {y.name}!" [said|cried|called] {x}.',
                 '"Oh, thank you!" {x} [said|cried]. "You are [so kind|a good friend|very kind|the '
                 'best]."',
                 "{x} thanked {y.him} [again and again|with a big hug|very much|with all {x.own} heart].",
                 '{x} hugged {y.name} and said, "Thank you[!|. You helped me so much.]"',
                 '"[You are welcome|It was nothing|I was glad to help]," said {y.name} when {x} said '
                 'thank you.')

    def ending(self, lesson=None, *roles):
        h = self.roles["h"]
        others = [self.roles[r] for r in roles if self.roles[r] in self.present]
        self.set(x=h, lesson=self.rng.choice(w.LESSONS[lesson]) if lesson else "")
        if lesson and self.rng.random() < 0.5:
            self.say("{x} [learned|now knew|found out|understood] that {lesson}.",
                     "From that day on, {x} [knew|never forgot|remembered] that {lesson}.",
                     '{x} thought, "{lesson}."',
                     "And that is how {x} learned that {lesson}.")
        if others and self.rng.random() < 0.45:
            self.set(y=others[0])
            play = "often sat together" if others[0].noun in ("grown-up", "neighbor") else \
                "played together every day"
            self.say("{x} and {y.name} [were good friends from that day on|laughed all the way home|smiled "
                     "at each other|went home happy|talked about it for a long time|never forgot that "
                     "day].",
                     "After that, {x} and {y.name} [" + play + "|always helped each "
                     "other|were the best of friends|did many things together].",
                     "{x.name} and {y.name} [lived happily ever after|had many more adventures "
                     "together|went home for supper].")
        else:
            self.say("That night, {x} [slept very well|fell asleep with a smile|dreamed sweet dreams|"
                     "dreamed of the next day|was tired but {@happy}].",
                     "It was a [very good|wonderful|lovely|great|happy] day.",
                     "{x} went home [{@happy}|with a smile|singing|just in time for {@dish}].",
                     "And {x} lived happily ever after.", "It had been the best day [of all|ever].",
                     "{x} [told everyone about it at supper|could not wait for tomorrow|smiled all the "
                     "way home].",
                     "In the evening, {x} [ate {@dish} and|drank {@drink} and|] went to bed {@happy}.",
                     "The end.")
