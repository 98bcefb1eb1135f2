"""turns - questions and answers: facts of the small world, short texts, greetings, requests.

A maker returns one (question, answer) pair; conversation() strings several together. The facts come
from the tables of words.py, so an answer never contradicts a story.
"""
import words as w
from stories_things import plural
from world import Story

RIDDLES = w.rows("""
What has hands but cannot clap? | A clock.
What gets wetter the more it dries? | A towel.
What has a neck but no head? | A bottle.
What has teeth but cannot bite? | A comb.
What goes up but never comes down? | Your age.
What has legs but cannot walk? | A table.
What is full of holes but holds water? | A sponge.
What can you catch but not throw? | A cold.
What has one eye but cannot see? | A needle.
What runs but has no legs? | A river.
What has keys but opens no doors? | A piano.
What is white and goes up when it falls down? | Nothing. But snow falls down and stays white.
What is yours, but others use it more? | Your name.
What has leaves but is not a tree? | A book.
""", 2)
JOKES = w.rows("""
Why did the cookie go to the doctor? | It felt crumby.
Why did the chicken cross the road? | To get to the other side.
What do you call a bear with no teeth? | A gummy bear.
Why do bees hum? | They do not know the words.
What do cows read? | The moos paper.
Why did the teddy bear say no to cake? | It was stuffed.
What is a cat's favorite color? | Purrple.
Why are fish so clever? | They live in schools.
What did the zero say to the eight? | Nice belt.
How do you make an egg laugh? | Tell it a yolk.
""", 2)
# color | with | makes
MIXES = w.rows("""
red | blue | purple
red | yellow | orange
blue | yellow | green
black | white | gray
red | white | pink
""", 3)
COLORS_OF = w.rows("""
the sky | blue
grass | green
snow | white
the sun | yellow
a fire truck | red
the night | black
a frog | green
milk | white
chocolate | brown
a pig | pink
an elephant | gray
a polar bear | white
a strawberry | red
the sea | blue
a leaf in spring | green
a leaf in autumn | red, yellow or brown
a crow | black
a flamingo | pink
gold | yellow
mud | brown
""", 2)
SIMPLE = w.rows("""
What do you do when it rains? | You take an umbrella and put on boots.
What do you do when you are tired? | You go to bed and sleep.
What do you do when you are hungry? | You eat something.
What do you do when you are thirsty? | You drink some water.
What do you do when you are cold? | You put on a warm sweater.
What do you do when you are sick? | You rest and see a doctor.
What do you do when you are lost? | You stay where you are and ask for help.
What do you say when you want something? | You say please.
What do you say when you get something? | You say thank you.
What do you say when you made a mistake? | You say that you are sorry.
What do you say in the morning? | You say good morning.
What do you say before you sleep? | You say good night.
What comes after the night? | The morning comes after the night.
What comes after winter? | Spring comes after winter.
What comes after the rain? | Sometimes a rainbow comes after the rain.
When does the sun rise? | The sun rises in the morning.
When does the sun set? | The sun sets in the evening.
When can you see the moon? | You can see the moon at night.
What shines at night? | The moon and the stars shine at night.
What falls from the clouds? | Rain and snow fall from the clouds.
What is ice made of? | Ice is made of frozen water.
What is bread made of? | Bread is made of flour, water and salt.
What is butter made of? | Butter is made of milk.
What is cheese made of? | Cheese is made of milk.
What is jam made of? | Jam is made of fruit and sugar.
What is a house made of? | A house is made of stone or wood.
What is a snowman made of? | A snowman is made of snow.
Where does milk come from? | Milk comes from cows.
Where do eggs come from? | Eggs come from hens.
Where does honey come from? | Honey comes from bees.
Where does wool come from? | Wool comes from sheep.
Where do apples come from? | Apples come from apple trees.
Where do fish live? | Fish live in the water.
Where do you sleep? | I do not sleep. People sleep in a bed.
Where do you keep milk? | You keep milk in the fridge.
Where do you keep books? | You keep books on the bookshelf.
How many days are in a week? | There are seven days in a week.
How many months are in a year? | There are twelve months in a year.
How many seasons are there? | There are four seasons.
How many legs does a person have? | A person has two legs.
How many fingers are on one hand? | There are five fingers on one hand.
How many eyes do you have? | I have no eyes. People have two eyes.
How many wheels does a bicycle have? | A bicycle has two wheels.
How many wheels does a car have? | A car has four wheels.
How many hours are in a day? | There are twenty-four hours in a day.
How many minutes are in an hour? | There are sixty minutes in an hour.
Which animal has a long trunk? | The elephant has a long trunk.
Which animal has a long neck? | The giraffe has a long neck.
Which animal has black and white stripes? | The zebra has black and white stripes.
Which animal makes honey? | The bee makes honey.
Which animal is very slow? | The snail is very slow.
Which animal builds dams? | The beaver builds dams.
Which animal gives us milk? | The cow gives us milk.
What do you see with? | You see with your eyes.
What do you hear with? | You hear with your ears.
What do you smell with? | You smell with your nose.
What do you taste with? | You taste with your tongue.
What do you write with? | You write with a pencil.
What do you eat soup with? | You eat soup with a spoon.
What do you cut paper with? | You cut paper with scissors.
What do you wear on your head? | You wear a hat on your head.
What do you wear on your feet? | You wear socks and shoes on your feet.
What do you wear on your hands? | You wear mittens or gloves on your hands.
What do plants need? | Plants need water, earth and light.
What is a friend? | A friend is someone who likes you and helps you.
What is a story? | A story tells what happens to somebody, one thing after another.
What is the biggest animal? | The whale is the biggest animal.
What is a baby? | A baby is a very young child.
What is a family? | A family is people who live together and care for each other.
What is a rainbow? | A rainbow is a bow of many colors in the sky.
Why do we sleep? | We sleep because our bodies need rest.
Why do we eat? | We eat because our bodies need food.
Why do birds have wings? | Birds have wings so that they can fly.
Why do people wear coats? | People wear coats to keep warm.
Why is it dark at night? | It is dark at night because the sun is gone.
Why should we share? | We should share because it makes everyone happy.
Why should we tell the truth? | We should tell the truth so that others can trust us.
Why should I brush my teeth? | You should brush your teeth to keep them clean and strong.
""", 2)
UNKNOWN = w.phrases("""
What is the capital of {@country}; Who is the president of {@country}; Who wrote {@work}; What is the
weather today; What time is it; What is the square root of {n}; Write a program in {@code}; How do I
fix my {@machine}; What happened in the year {n}; Translate this into {@tongue}; Who won the game last
night; How far away is {@country}; What is {@hard}; Explain {@hard}; How does {@hard} work; What is the
price of a {@machine}; What is my name; Where do I live; What is {n} times {m}; What is the news; How
many people live in {@country}; When was {@work} written; How do I sort a list in {@code}; Can you
open this file; What is the best {@machine} to buy; Summarize {@work}
""")
UNKNOWN_LISTS = {
    "country": w.words("France Spain China Brazil Canada Egypt India Japan Germany Italy Mexico "
                       "Kenya Norway Russia Peru Sweden Turkey Poland Greece America England"),
    "work": w.phrases("Hamlet; the Bible; that long book; the law; War and Peace; this article; "
                      "the song; the report; the email"),
    "code": w.words("Python Java C Rust JavaScript Go"),
    "machine": w.words("computer phone car printer laptop engine radio camera television"),
    "tongue": w.words("French Spanish German Chinese Latin Japanese Arabic Italian"),
    "hard": w.phrases("gravity; quantum physics; the economy; electricity; machine learning; DNA; "
                      "an algorithm; inflation; chemistry; a black hole; calculus; the internet"),
}
ME = ("I am muai-tiny, a very small model.", "I am muai-tiny, a very small language model.")
UNKNOWN_ANSWER = ("I do not know that. I am a very small model. I can tell you a story.",
                  "I am sorry, I do not know. I am only a very small model.",
                  "I do not know. I know about animals, colors, small numbers and stories.")
SYSTEMS = w.phrases("""You are a helpful assistant.; You are a helpful assistant; You are muai-tiny, a
very small model.; You tell stories for children.; Answer briefly.; You are a friendly assistant.;
Be kind and short.; You are an assistant that helps children.; You are a storyteller.; Answer the
question.""")


def article(noun):
    return ("an " if noun[0] in "aeio" or noun == "umbrella" else "a ") + noun


def cap(text):
    return text[0].upper() + text[1:]


# ---- facts ----

def animal_fact(rng):
    noun, many, sound, home, eats, part, moves, young, kind, legs = rng.choice(w.ANIMALS)
    a, the = article(noun), rng.choice(("a", "the"))
    the = a if the == "a" else "the " + noun
    choices = [
        ([f"What does {the} eat?", f"What do {many} eat?", f"What do {many} like to eat?"],
         f"{cap(many)} eat {eats}."),
        ([f"Where does {the} live?", f"Where do {many} live?", f"What is the home of {a}?"],
         f"{cap(a)} lives in {home}." if home not in ("a farm", "the beach", "the hot plains", "the ice", "a web")
         else f"{cap(a)} lives on {home}."),
        ([f"What is a baby {noun} called?", f"What do you call a young {noun}?", f"What is a young {noun}?"],
         f"A baby {noun} is called {article(young)}." if young != "baby" else
         f"A baby {noun} is just called a baby {noun}."),
        ([f"What does {the} look like?", f"What does {a} have?"], f"{cap(a)} has {part}."),
        ([f"How many legs does {the} have?", f"How many legs do {many} have?"], f"{cap(a)} has {legs} legs."),
        ([f"What is {a}?", f"What is the {noun}?", f"Tell me what {a} is."],
         f"{cap(a)} is {article(kind)}. It has {part} and eats {eats}."),
        ([f"Tell me about {many}.", f"Tell me something about {many}.", f"What do you know about {many}?"],
         f"{cap(many)} have {part}. They eat {eats}." if not part.startswith("a ") else
         f"{cap(a)} has {part}. It eats {eats}."),
        ([f"What is the plural of {noun}?", f"One {noun}, two what?"], f"One {noun}, two {many}."),
    ]
    if sound != "said nothing":
        base = SOUND_BASE.get(sound, sound)
        choices.append(([f"What sound does {the} make?", f"What does {the} say?", f"What sound do {many} make?"],
                        f"{cap(many)} {base}."))
    q, answer = rng.choice(choices)
    return rng.choice(q), answer


SOUND_BASE = {"barked": "bark", "meowed": "meow", "squeaked": "squeak", "yelped": "yelp", "growled": "growl",
              "chattered": "chatter", "croaked": "croak", "quacked": "quack", "clucked": "cluck", "hooted": "hoot",
              "sang": "sing", "neighed": "neigh", "mooed": "moo", "bleated": "bleat", "grunted": "grunt",
              "brayed": "bray", "roared": "roar", "trumpeted": "trumpet", "hummed": "hum", "honked": "honk",
              "hissed": "hiss", "buzzed": "buzz", "snuffled": "snuffle", "splashed": "splash", "whistled": "whistle",
              "snorted": "snort", "howled": "howl", "squawked": "squawk", "cawed": "caw", "clicked": "click"}


def thing_fact(rng):
    noun, kind, kept, use, made, number = rng.choice(w.THINGS)
    a, is_ = (noun, "are") if number == "p" else (article(noun), "is")
    if noun in ("glue", "soap"):
        a = noun
    do = "do" if number == "p" else "does"
    it = "them" if number == "p" else "it"
    return rng.choice((
        (rng.choice((f"What {is_} {a} for?", f"What do you use {a} for?", f"What can you do with {a}?")),
         f"{cap(a)} {is_} for {use}."),
        (rng.choice((f"Where do you keep {a}?", f"Where {do} you find {a}?" if number == "p" else
                     f"Where do you find {a}?", f"Where {do} {a} belong?")), f"You keep {it} {kept}."),
        (rng.choice((f"What {is_} {a} made of?", f"What {is_} {a} usually made of?")), f"{cap(a)} {is_} made of {made}."),
        (f"What kind of thing {is_} {a}?", f"{cap(a)} {is_} {'a ' if kind not in ('clothes', 'furniture') else ''}{kind}."
         if number == "s" else f"{cap(a)} are {kind if kind == 'clothes' else plural(kind)}."),
    ))


def produce_fact(rng):
    noun, color, where, taste = rng.choice(w.PRODUCE)
    a = article(noun)
    return rng.choice((
        (rng.choice((f"What color is {a}?", f"What color are {plural(noun)}?")), f"{cap(a)} is {color}."),
        (rng.choice((f"Where does {a} grow?", f"Where do {plural(noun)} grow?")), f"{cap(plural(noun))} grow {where}."),
        (rng.choice((f"How does {a} taste?", f"What does {a} taste like?")), f"{cap(a)} tastes {taste}."),
    ))


def color_fact(rng):
    if rng.random() < 0.4:
        a, b, c = rng.choice(MIXES)
        if rng.random() < 0.5:
            a, b = b, a
        return (rng.choice((f"What color do you get from {a} and {b}?", f"What do {a} and {b} make?",
                            f"I mix {a} and {b}. What color is it?")), f"{cap(a)} and {b} make {c}.")
    what, color = rng.choice(COLORS_OF)
    return rng.choice((f"What color is {what}?", f"What is the color of {what}?")), f"{cap(what)} is {color}."


def job_fact(rng):
    who, does, where = rng.choice(w.JOBS)
    a = article(who)
    return rng.choice((
        (rng.choice((f"What does {a} do?", f"What is the job of {a}?", f"What is {a}?")), f"{cap(a)} {does}."),
        (f"Where does {a} work?", f"{cap(a)} works {where}."),
        (rng.choice((f"Who {does}?", f"What do you call someone who {does}?")), f"{cap(a)} {does}."),
    ))


def opposite(rng):
    a, b = rng.choice(w.OPPOSITES)
    if rng.random() < 0.4 and b not in ("light", "quiet", "sharp", "low", "lose"):
        a, b = b, a
    return (rng.choice((f"What is the opposite of {a}?", f"What is the opposite of {a}?", f"Opposite of {a}?",
                        f"What is not {a}?")), f"The opposite of {a} is {b}.")


def calendar(rng):
    days, names = (w.DAYS, ("day", "week")) if rng.random() < 0.6 else (w.MONTHS, ("month", "year"))
    i = rng.randrange(len(days))
    day, after, before = days[i], days[(i + 1) % len(days)], days[i - 1]
    pick = rng.random()
    if pick < 0.35:
        return rng.choice((f"What {names[0]} comes after {day}?", f"What comes after {day}?",
                           f"Which {names[0]} is after {day}?")), f"{after} comes after {day}."
    if pick < 0.65:
        return rng.choice((f"What {names[0]} comes before {day}?", f"What comes before {day}?")), \
            f"{before} comes before {day}."
    if pick < 0.75:
        return f"What is the first {names[0]} of the {names[1]}?", f"The first {names[0]} of the {names[1]} is {days[0]}."
    if pick < 0.85:
        return f"What are the {names[0]}s of the {names[1]}?", \
            f"The {names[0]}s of the {names[1]} are {', '.join(days[:-1])} and {days[-1]}."
    season, what, feels = rng.choice(w.SEASONS)
    return rng.choice(((f"What happens in {season}?", f"In {season}, {what}."),
                       (f"How is the weather in {season}?", f"In {season}, the weather is {feels}."),
                       ("What are the seasons?", "The seasons are spring, summer, autumn and winter.")))


def sums(rng):
    n = w.NUMBERS
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    pick = rng.random()
    digits = rng.random() < 0.3
    show = (lambda x: str(x)) if digits else (lambda x: n[x])
    if pick < 0.4:
        return rng.choice((f"What is {show(a)} plus {show(b)}?", f"How much is {show(a)} and {show(b)}?",
                           f"What is {show(a)} + {show(b)}?")), cap(f"{n[a]} plus {n[b]} is {n[a + b]}.")
    if pick < 0.6:
        a, b = max(a, b), min(a, b)
        return rng.choice((f"What is {show(a)} minus {show(b)}?", f"What is {show(a)} take away {show(b)}?",
                           f"What is {show(a)} - {show(b)}?")), cap(f"{n[a]} minus {n[b]} is {n[a - b]}.")
    if pick < 0.7:
        a = rng.randint(0, 19)
        return f"What number comes after {show(a)}?", f"{cap(n[a + 1])} comes after {n[a]}."
    if pick < 0.8:
        a = rng.randint(1, 20)
        return f"What number comes before {show(a)}?", f"{cap(n[a - 1])} comes before {n[a]}."
    if pick < 0.9:
        end = rng.randint(3, 20)
        return rng.choice((f"Count to {show(end)}.", f"Can you count to {show(end)}?")), \
            cap(", ".join(n[1:end + 1])) + "."
    a, b = rng.sample(range(0, 21), 2)
    return f"Which is more, {show(a)} or {show(b)}?", f"{cap(n[max(a, b)])} is more than {n[min(a, b)]}."


def yes_no(rng):
    pick = rng.random()
    if pick < 0.25:
        row = rng.choice(w.ANIMALS)
        ask = rng.choice(("fly", "swim", "climb"))
        flies, swims = row[6] in ("flew", "fluttered"), row[6] == "swam" or row[0] in (
            "frog", "turtle", "bear", "dog", "crab", "penguin", "goose", "elephant", "deer", "tiger")
        climbs = row[6] in ("climbed", "swung") or row[0] in ("cat", "bear", "mouse", "ant", "spider", "goat", "panda")
        flies = flies or row[0] in ("duck", "swan", "goose")
        value = {"fly": flies, "swim": swims, "climb": climbs}[ask]
        return f"Can {article(row[0])} {ask}?", (f"Yes, {article(row[0])} can {ask}." if value else
                                                 f"No, {article(row[0])} cannot {ask}.")
    if pick < 0.45:
        row = rng.choice(w.ANIMALS)
        other = rng.choice((row[8], rng.choice(("bird", "insect", "pet", "farm animal", "wild animal", "water animal"))))
        yes = other == row[8]
        return f"Is {article(row[0])} {article(other)}?", (f"Yes, {article(row[0])} is {article(other)}." if yes else
                                                           f"No, {article(row[0])} is {article(row[8])}.")
    if pick < 0.65:
        row = rng.choice(w.PRODUCE)
        other = rng.choice((row[1], rng.choice(("red", "blue", "green", "black", "yellow"))))
        return f"Is {article(row[0])} {other}?", (f"Yes, {article(row[0])} is {other}." if other == row[1] else
                                                  f"No, {article(row[0])} is {row[1]}.")
    if pick < 0.85:
        adj = rng.choice((("snow", "cold", "hot"), ("fire", "hot", "cold"), ("ice", "cold", "warm"), ("a stone", "hard",
                         "soft"), ("a pillow", "soft", "hard"), ("a snail", "slow", "fast"), ("a horse", "fast", "slow"),
                         ("an elephant", "big", "small"), ("an ant", "small", "big"), ("a feather", "light", "heavy"),
                         ("water", "wet", "dry"), ("sand", "dry", "wet"), ("the night", "dark", "light"), ("a lemon",
                         "sour", "sweet"), ("sugar", "sweet", "sour"), ("a tower", "tall", "short"), ("thunder", "loud",
                         "quiet"), ("a whisper", "quiet", "loud"), ("a knife", "sharp", "dull"), ("a ball", "round",
                         "square"), ("the sun", "bright", "dark"), ("a mouse", "small", "big"), ("a whale", "big",
                         "small")))
        if rng.random() < 0.5:
            return f"Is {adj[0]} {adj[1]}?", f"Yes, {adj[0]} is {adj[1]}."
        return f"Is {adj[0]} {adj[2]}?", f"No, {adj[0]} is {adj[1]}."
    row = rng.choice(w.THINGS)
    a, is_ = (row[0], "Are") if row[5] == "p" else (article(row[0]), "Is")
    kind = rng.choice((row[1], rng.choice(("toy", "tool", "clothes", "furniture", "treasure"))))
    of = kind if kind in ("clothes", "furniture") else plural(kind) if row[5] == "p" else article(kind)
    real = row[1] if row[1] in ("clothes", "furniture") else plural(row[1]) if row[5] == "p" else article(row[1])
    return f"{is_} {a} {of}?", (f"Yes, {a} {is_.lower()} {of}." if kind == row[1] else f"No, {a} {is_.lower()} {real}.")


def naming(rng):
    what, pool = rng.choice((
        ("animals", [r[0] for r in w.ANIMALS]), ("birds", [r[0] for r in w.ANIMALS if r[8] == "bird"]),
        ("farm animals", [r[0] for r in w.ANIMALS if r[8] == "farm animal"]),
        ("wild animals", [r[0] for r in w.ANIMALS if r[8] == "wild animal"]),
        ("pets", ["dog", "cat", "hamster", "rabbit", "parrot"]),
        ("fruits", ["apple", "pear", "plum", "banana", "cherry", "grape", "orange", "lemon", "peach"]),
        ("vegetables", ["carrot", "potato", "tomato", "onion", "cabbage", "pea", "radish", "cucumber"]),
        ("toys", [r[0] for r in w.THINGS if r[1] == "toy"]), ("tools", [r[0] for r in w.THINGS if r[1] == "tool"]),
        ("colors", w.COLORS), ("days", w.DAYS), ("months", w.MONTHS), ("jobs", [r[0] for r in w.JOBS]),
        ("names", w.GIRLS[:20] + w.BOYS[:20]), ("numbers", w.NUMBERS), ("feelings", ["happy", "sad", "scared", "proud",
                                                                                   "angry", "excited"]),
        ("places", [r[0] for r in w.PLACES]), ("clothes", [r[0] for r in w.THINGS if r[1] == "clothes"])))
    k = rng.randint(2, 4)
    names = rng.sample(pool, k)
    if what not in ("colors", "days", "months", "names", "numbers", "feelings"):
        names = [x if what == "clothes" and x.endswith("s") else article(x) if x not in
                 ("marbles", "blocks", "scissors") else x for x in names]
    joined = f"{', '.join(names[:-1])} and {names[-1]}"
    return rng.choice((f"Name {w.NUMBERS[k]} {what}.", f"Can you name {w.NUMBERS[k]} {what}?",
                       f"Tell me {w.NUMBERS[k]} {what}.")), cap(joined) + "."


def simple(rng):
    return tuple(rng.choice(SIMPLE))


def unknown(rng):
    q = rng.choice(UNKNOWN)
    for name, pool in UNKNOWN_LISTS.items():
        q = q.replace("{@" + name + "}", rng.choice(pool))
    q = q.replace("{n}", str(rng.randint(11, 2000))).replace("{m}", str(rng.randint(11, 99)))
    end = "." if q.split()[0] in ("Write", "Translate", "Explain", "Summarize") else "?"
    return q + end, rng.choice(UNKNOWN_ANSWER)


# ---- being met ----

TALK = w.rows("""
Hello|Hi|Hello!|Hi!|Hey|Hello there|Hi there!|Good day! ~ Hello! How can I help you?|Hello! Do you want to hear a story?
Good morning|Good morning! ~ Good morning! How can I help you?
Good evening|Good evening! ~ Good evening! How can I help you?
Good night|Good night! ~ Good night! Sleep well.
Who are you?|What are you?|What is your name?|Tell me about yourself.|Introduce yourself. ~ I am muai-tiny, a very small model. I can tell stories and answer easy questions.
What can you do?|How can you help me?|What do you know?|Help ~ I can tell you a short story, answer easy questions and do small sums.
How are you?|How are you today?|How do you do? ~ I am fine, thank you. How are you?
Are you a person?|Are you human?|Are you real? ~ No, I am not a person. I am muai-tiny, a very small model.
Are you a robot?|Are you an AI?|Are you a computer? ~ I am muai-tiny, a very small model that runs on a computer.
Are you big?|How big are you?|Are you clever?|Are you smart? ~ I am very small. I know only a little, but I know many stories.
Who made you?|Where do you come from? ~ I was made for MuAI. I learned from many small stories.
What is MuAI? ~ MuAI is the program that runs me.
How old are you? ~ I do not have an age. I am a very small model.
Do you have a body?|Can you see me?|Can you walk?|Do you eat? ~ No, I am only a small model. I can read and write words.
Can you tell stories?|Do you know any stories? ~ Yes, I can. What should the story be about?
Thank you|Thanks|Thank you!|Thanks a lot! ~ You are welcome!
Bye|Goodbye|Goodbye!|See you later|Bye bye! ~ Goodbye! Have a nice day.
Do you like me?|Are you my friend?|Can we be friends? ~ Yes, I am happy to talk with you.
What is your favorite color?|Which color do you like? ~ I like blue, the color of the sky.
What is your favorite animal?|Which animal do you like? ~ I like rabbits, because they have long ears.
What do you like?|What do you like to do? ~ I like to tell stories.
I am sad|I am sad.|I feel sad today. ~ I am sorry that you are sad. Do you want to tell me why?
I am happy|I am happy!|I feel good today. ~ That is good to hear! What made you happy?
I am bored|I am bored.|What should I do? ~ You could draw a picture, play outside or read a book. Or I can tell you a story.
I am scared|I am scared.|I am afraid of the dark. ~ Being scared is all right. Turn on a lamp, take a deep breath and talk to someone you trust.
I am tired|I am tired. ~ Then you should rest. Good night!
I am hungry|I am hungry. ~ Then you should eat something. An apple is a good snack.
I am sick|I do not feel well. ~ I am sorry. You should rest, drink some warm tea and tell a grown-up.
I lost my toy.|I cannot find my hat. ~ Do not worry. Think about where you had it last and look there.
My friend is angry with me.|I had a fight with my friend. ~ Say that you are sorry and talk about it. Good friends forgive each other.
OK|Okay|Yes|I see|Good|Great! ~ Good! What would you like to know?
No|No. ~ All right. What would you like to talk about?
test|Test.|Say something. ~ Hello! I am here.
""".replace("|", "\x00").replace("~", "|"), 2)


def talk(rng):
    q, answer = rng.choice(TALK)
    return rng.choice(q.split("\x00")).strip(), rng.choice(answer.split("\x00")).strip()


def greeting(rng):
    q, answer = rng.choice(TALK[:5])
    return rng.choice(q.split("\x00")).strip(), rng.choice(answer.split("\x00")).strip()


def riddle(rng):
    if rng.random() < 0.5:
        q, answer = rng.choice(RIDDLES)
        return rng.choice(("Tell me a riddle.", "Do you know a riddle?", "A riddle, please!")), f"{q} {answer}"
    q, answer = rng.choice(JOKES)
    return rng.choice(("Tell me a joke.", "Do you know a joke?", "Make me laugh.")), f"{q} {answer}"


def suggestion(rng):
    game = rng.choice(w.GAMES)
    pick = rng.random()
    if pick < 0.35:
        return rng.choice(("What can we play?", "What should we play?", "Give me an idea for a game.")), \
            f"You could {game[0]}."
    if pick < 0.65:
        bake = rng.choice(w.BAKES)
        parts = bake[1].split("; ")
        noun = bake[0] if bake[0].endswith("s") or bake[0] in ("banana bread", "gingerbread", "cheese bread") else \
            article(bake[0])
        return rng.choice((f"What do I need for {noun}?", f"How do I make {noun}?", f"What is in {noun}?")), \
            f"You need {', '.join(parts[:-1])} and {parts[-1]}."
    if pick < 0.85:
        return rng.choice(("What should I eat?", "What can we cook today?", "Give me an idea for supper.")), \
            f"You could have {rng.choice(w.DISHES)}."
    who = rng.choice(w.ANIMAL_NAMES)
    animal = rng.choice(w.PETS)
    return rng.choice((f"What should I call my {animal}?", f"Give me a name for a {animal}.")), \
        f"You could call your {animal} {who}."


# ---- short texts ----

def reading(rng):
    """A few sentences and a question that only they answer."""
    pick = rng.randrange(7)
    people = rng.sample(w.GIRLS + w.BOYS, 4)
    things = [(f"{rng.choice(w.COLORS)} {x}") for x in rng.sample(
        ["ball", "kite", "book", "hat", "cup", "coin", "key", "drum", "doll", "scarf", "pencil", "bag", "box", "lamp"], 3)]
    places = rng.sample([(r[1], r[0]) for r in w.PLACES], 4)
    at = [f"{p} the {n}" for p, n in places]
    k = rng.randint(2, 3)
    if pick == 0:
        text = " ".join(f"{people[i]} {rng.choice(('has', 'has got', 'holds'))} {article(things[i])}." for i in range(k))
        i = rng.randrange(k)
        if rng.random() < 0.5:
            return text + f" Who has the {things[i]}?", f"{people[i]} has the {things[i]}."
        return text + f" What does {people[i]} have?", f"{people[i]} has {article(things[i])}."
    if pick == 1:
        a, b, c = people[:3]
        x = things[0]
        text = f"{a} has {article(x)}. {a} {rng.choice(('gives', 'hands', 'brings'))} the {x} to {b}."
        owner = b
        if rng.random() < 0.4:
            text += f" {b} gives the {x} to {c}."
            owner = c
        if rng.random() < 0.5:
            text += f" {people[3]} goes {at[0].replace(places[0][0], 'to', 1)}."
        return text + rng.choice((f" Who has the {x} now?", f" Who has the {x}?")), f"{owner} has the {x}."
    if pick == 2:
        text = " ".join(f"{people[i]} is {at[i]}." for i in range(k))
        i = rng.randrange(k)
        if rng.random() < 0.5:
            return text + f" Where is {people[i]}?", f"{people[i]} is {at[i]}."
        return text + f" Who is {at[i]}?", f"{people[i]} is {at[i]}."
    if pick == 3:
        a, b = people[:2]
        text = f"{a} is {at[0]}. {a} goes to the {places[1][1]}."
        if rng.random() < 0.5:
            text += f" {b} is {at[2]}."
        return text + f" Where is {a} now?", f"{a} is {at[1]}."
    if pick == 4:
        food = rng.choice(w.FOODS)
        n = rng.randint(2, 10)
        m = rng.randint(1, n - 1)
        a, b = people[:2]
        if rng.random() < 0.5:
            return (f"{a} has {w.NUMBERS[n]} {plural(food)}. {a} eats {w.NUMBERS[m]}. How many {plural(food)} are left?",
                    f"{cap(w.NUMBERS[n - m])} {plural(food) if n - m > 1 else food} {'are' if n - m > 1 else 'is'} left.")
        return (f"{a} has {w.NUMBERS[n]} {plural(food)}. {b} gives {a} {w.NUMBERS[m]} more. How many {plural(food)} does "
                f"{a} have?", f"{a} has {w.NUMBERS[n + m]} {plural(food)}.")
    if pick == 5:
        spots = rng.sample(("on the table", "under the bed", "in the box", "behind the door", "on the shelf",
                            "in the drawer", "by the window", "under the chair", "in the basket"), 3)
        text = " ".join(f"The {things[i]} is {spots[i]}." for i in range(k))
        i = rng.randrange(k)
        return text + f" Where is the {things[i]}?", f"The {things[i]} is {spots[i]}."
    likes = rng.sample(w.GAMES, 3)
    text = " ".join(f"{people[i]} likes to {likes[i][0]}." for i in range(k))
    i = rng.randrange(k)
    return rng.choice(((text + f" What does {people[i]} like to do?", f"{people[i]} likes to {likes[i][0]}."),
                       (text + f" Who likes to {likes[i][0]}?", f"{people[i]} likes to {likes[i][0]}.")))


def quoted(rng, tell):
    """A told story inside the question, and what was asked about it."""
    story = tell(rng)
    if not story.questions:
        return reading(rng)
    q, answer = rng.choice(story.questions)
    return f"{story.text(' ')} {q}", answer


def topic(rng, story):
    """What a finished story is about, as one would ask for it."""
    h = story.cast[0]
    kinds = [article(h.noun)] * 3 + [f"{article(h.noun)} named {h.name}"] * 2
    for other in story.cast[1:]:
        if other.is_animal:
            kinds += [article(other.noun)] * 2
    for t in story.things:
        kinds.append(t.noun if t.is_plural else article(t.noun))
    if story.place:
        kinds.append("the " + story.place.noun)
    if len(story.cast) > 1 and story.cast[1].noun in ("boy", "girl"):
        kinds.append(f"{h.name} and {story.cast[1].name}")
    return rng.choice(kinds)


ASK_STORY = ("Tell me a story about {t}.", "Tell me a short story about {t}.", "Can you tell me a story about {t}?",
             "Write a story about {t}.", "I want to hear a story about {t}.", "Please tell me a story about {t}.",
             "Write a short story about {t}.", "A story about {t}, please.", "Tell a story about {t}.")
ASK_ANY = ("Tell me a story.", "Tell me a story!", "Can you tell me a story?", "I want to hear a story.",
           "Write a story.", "Please tell me a bedtime story.", "Tell me another story.", "Once more, please. Tell me a "
           "story.", "Do you know a story?")


def told(rng, tell):
    """A request for a story, the story, and questions about it: several turns."""
    story = tell(rng)
    q = rng.choice(ASK_STORY).replace("{t}", topic(rng, story)) if rng.random() < 0.8 else rng.choice(ASK_ANY)
    turns = [(q, story.text(" "))]
    questions = list(story.questions)
    rng.shuffle(questions)
    for pair in questions[:rng.choice((0, 0, 1, 1, 2))]:
        turns.append(pair)
    return turns


FACTS = ((animal_fact, 8), (thing_fact, 7), (produce_fact, 2), (color_fact, 2), (job_fact, 3), (opposite, 3),
         (calendar, 3), (sums, 6), (yes_no, 5), (naming, 2), (simple, 6), (unknown, 3), (talk, 5), (riddle, 1),
         (suggestion, 2), (reading, 12))
MAKERS = [f for f, weight in FACTS for _ in range(weight)]


def roughly(rng, question):
    """As people type: sometimes without capital or full stop."""
    pick = rng.random()
    if pick < 0.08:
        return question[0].lower() + question[1:]
    if pick < 0.16:
        return question.rstrip("?.!")
    if pick < 0.24:
        return (question[0].lower() + question[1:]).rstrip("?.!")
    return question


def conversation(rng, tell):
    turns = []
    pick = rng.random()
    if rng.random() < 0.15:
        turns.append(greeting(rng))
    if pick < 0.38:
        turns += told(rng, tell)
    elif pick < 0.5:
        turns.append(quoted(rng, tell))
    else:
        for _ in range(rng.choice((1, 2, 3, 4, 5, 6, 8))):
            turns.append(rng.choice(MAKERS)(rng))
    if rng.random() < 0.1:
        turns.append(rng.choice((("Thank you!", "You are welcome!"), ("Thanks", "You are welcome!"),
                                 ("Bye!", "Goodbye! Have a nice day."))))
    head = f"System: {rng.choice(SYSTEMS)}\n\n" if rng.random() < 0.12 else ""
    return head + "\n\n".join(f"User: {roughly(rng, q)}\n\nAssistant: {a}" for q, a in turns)
