"""stories_things - schemas about things: lost, found, broken, wanted, made, bought, given."""
import words as w


def lost_thing(s):
    a, t = s.child("a"), s.thing("t", "a")
    s.opening("a")
    s.say("{a} had {t.a}.", "{a.his} favorite thing was {t.a}.",
          "{a} had {t.a} that {a.he} [took everywhere|loved very much|got from Grandma].",
          "For {a.his} birthday, {a} got {t.a}.")
    p = s.at()
    s.spots(4)
    s.set(s4=s.roles["s4"])
    s.say("{@time}, {a} [took|carried] {t.it} {p.to}.",
          "{@time}, {a} went {p.to} with the {t.n}.",
          "{@time}, {a} played {p.at} for a long time.")
    s.maybe(0.6, "{a} saw {sight} and [forgot all about|stopped thinking about] {t}."
            .replace("{sight}", s.rng.choice(p.sights)),
            "There {a} {liked} until [noon|it was late]."
            .replace("{liked}", s.rng.choice(w.GAMES)[1]))
    s.lose("t", s.roles["s4"])
    s.par()
    s.say("[But when|When] it was time to go home, {t} {t.was} [gone|not there].",
          "Then {a} looked [around|down] and {t} {t.was} gone!",
          '"Oh no! Where {t.is} my {t.n}?" cried {a}.',
          "Suddenly {a} saw that {t} {t.was} missing.")
    s.feel("a", "sad")
    s.say("First {a} looked {s1}, but {t.they} {t.was} not there.",
          "{a} looked {s1}. [No {t.n}|Nothing there].",
          "{a} looked {s1} and found only [an old leaf|a wet stone|a bottle cap|some dust].")
    s.maybe(0.7, "Then {a} looked {s2}, but there was [nothing|only a {@color} button|only a sleepy "
            "bug].", "{a} [searched|looked] {s2} too. [Still nothing|Nothing at all].")
    s.ask("What did {a} lose?", "{a} lost {t.a}.")
    s.ask("Where {t.was} {t.thefull}?", "{t.thefull} {t.was} {s4}.")
    pick = s.rng.random()
    if pick < 0.45:
        b = s.child("b")
        s.par()
        s.say("Just then, {a.his} friend {b.name} came by.", "{b.name}, a {@trait} {b.noun}, saw {a.name}"
              " and [came over|stopped].", "Then a {b.noun} named {b.name} walked up to {a.him}.")
        s.say('"[What is wrong|Why are you so sad|What happened], {a.name}?" asked {b}.')
        s.say('"I lost my {t.n}," said {a.name}. "I cannot find {t.it} anywhere."',
              '"My {t.n} {t.is} gone," said {a.name}.')
        s.say('"[Do not worry|Do not cry|Cheer up]," said {b.name}. "[I will help you look|We can look '
              'together|Four eyes see more than two]."')
        s.say("They looked {s3}. [Then they|Then {b.name}] looked {s4}.",
              "Together they looked [high and low|everywhere]. At last {b.name} looked {s4}.")
        s.take("b", "t")
        s.say('There {t.they} {t.was}! "[I found {t.it}|Here {t.they} {t.is}|Look]!" {@cry} {b.name}.',
              '"[Look, {a.name}|Come and see]!" {@cry} {b.name}. {t} {t.was} [right there|there all the '
              'time].')
        s.give("b", "a", "t")
        s.say("{b} gave {t} [back |]to {a.name}.", "{b} [put|laid] {t} in {a.name}'s hands."
              if not s.is_animal else "{b} gave {t} back to {a.name}.")
        s.ask("Who found {t.thefull}?", "{b} found {t.thefull}.")
        s.thanks("a", "b")
        s.ending(s.rng.choice(("help", "care")), "b")
    elif pick < 0.75:
        s.say("Then {a} [stopped and thought|sat down and thought hard]. "
              '"Where was I [last|before]?" {a.he} [said|asked {a.self}].')
        s.say("{a} remembered. {a.he} had [sat down|played|stopped to rest] {s4}.",
              "Then {a} had an idea. {a.he} walked back [slowly|step by step] and looked {s4}.")
        s.take("a", "t")
        s.say("And there {t.they} {t.was}!", "There {t.was} {t.thefull}!")
        s.ask("Who found {t.thefull}?", "{a} found {t.thefull}.")
        s.feel("a", "happy")
        s.say("{a} [picked {t.it} up|held {t.it} tight|put {t.it} in a safe place] and went home.",
              '"I will take better care of you," {a} told {t}.')
        s.ending("care")
    else:
        q = s.pet("q", s.rng.choice(("dog", "crow", "cat"))) if not s.is_animal else s.child("q")
        s.par()
        s.say("Then {a} heard a [small|funny|soft] sound. A {q.noun} named {q.name} was [sitting|standing] {s4}.",
              "A {q.noun} [called|named] {q.name} was watching {s4}.")
        s.take("q", "t")
        s.say("{q} had {t}!", "And {q} was [playing with|looking at] {t}!")
        s.say("{a} [laughed|smiled]. \"[So it was you|There you are|You like {t.it} too], {q.name}!\"",
              '"May I have my {t.n} back, please?" asked {a.name}.')
        s.give("q", "a", "t")
        s.say("{q} gave {t} back.", "{q} [dropped {t} at {a.his} feet|let {t} go].")
        s.ask("Who had {t.thefull}?", "{q} had {t.thefull}.")
        s.feel("a", "happy")
        s.ending("care", "q")


def found_thing(s):
    s.child("a")
    s.opening("a")
    s.at()
    s.spots(2)
    t = s.thing("t", None, nouns=("ring watch necklace key medal notebook camera book coin scarf hat "
                                  "glasses gloves flute umbrella bracelet").split())
    t.spot = s.roles["s1"]
    s.say("{@time}, {a} was walking {p.to}.", "{@time}, {a} went {p.to} to [play|look around|{likes}].",
          "{@time}, {a} was {p.at}.")
    s.take("a", "t")
    s.say("{a} saw something {s1}. It was {t.a}!", "There was something {@color} {s1}. {a} picked it up. It was "
          "{t.a}.", "{a.his} foot [hit|touched] something {s1}. {a} bent down and found {t.a}.")
    s.ask("What did {a} find?", "{a} found {t.a}.")
    s.say('"[How pretty|How lovely|What a find]!" said {a}. "[But whose {t.n} {t.is} {t.this}|Who lost {t.it}|'
          'Somebody must be sad]?"', "{a} wanted to keep {t.it}. But {a.he} thought, \"[Somebody is "
          "looking for {t.it}|{t.this} {t.is} not mine].\"")
    s.elder("e")
    t.owner = s.roles["e"]
    s.par()
    if s.rng.random() < 0.6:
        s.child("b")
        s.say("First {a} asked {b.name}, [a {b.noun} who was there too|who was {liking}|who knew everybody].")
        s.say('"{t.is} {t.this} your {t.n}?" "No," said {b.name}. "My {t.n} {t.is} at home."'
              if not t.is_plural else '"Are these yours?" "No," said {b.name}. "Mine are at home."',
              "{b} shook {b.own} head. \"Not mine,\" {b.he} said.")
        s.ask("Did {t.thefull} belong to {b}?", "No, {t.they} belonged to {e}.")
    s.say("Then {a} saw {e.name}. {e.he} was looking [for something {s2}|at the ground|very {@sad}]."
          if s.roles["e"].sex != s.roles["a"].sex else
          "Then {a} saw {e.name}, who was looking [for something {s2}|at the ground|very {@sad}].")
    s.say('"[Did you lose something|What are you looking for|Can I help you]?" asked {a.name}.')
    s.say('"Yes," said {e.name}. "I lost my {t.n} [this morning|yesterday|on the way here|last week]."',
          '"I cannot find my {t.n}," said {e.name}. "[I had {t.it} this morning|I have looked everywhere]."')
    s.give("a", "e", "t")
    s.say("{a} [held out|gave {e.name}] {t}. \"{t.is} {t.this} yours?\"" if not t.is_plural else
          '{a} gave {e.name} {t}. "Are these yours?"')
    s.feel("e", "happy")
    s.ask("Who lost {t.thefull}?", "{e} lost {t.thefull}.")
    s.thanks("e", "a")
    s.maybe(0.6, "{e} gave {a.name} [a {@food}|a big hug|a shiny coin|a cup of {@drink}|a warm {@food}].")
    s.ending("honest", "e")


def repair(s):
    a = s.child("a")
    s.opening("a")
    t = s.thing("t", "a", nouns=["toy car", "kite", "toy boat", "doll", "robot", "music box", "wagon",
                                 "scooter", "sled", "puppet", "bicycle", "clock", "lamp", "chair", "drum",
                                 "umbrella", "guitar", "train set", "watch"])
    s.say("{a.his} favorite [thing|thing in the house] was {t.a}.", "{a} had {t.a}. {t.they} {t.was} good for "
          + t.use + ".", "{a} [used|played with] {a.own} {t.full} every day.")
    part = s.rng.choice({"toy car": ["a wheel"], "kite": ["the string", "the tail"], "toy boat": ["the sail"],
                         "doll": ["an arm", "a button"], "robot": ["an arm", "a wheel"],
                         "music box": ["the lid", "the handle"], "wagon": ["a wheel", "the handle"],
                         "scooter": ["a wheel"], "sled": ["a rope", "a board"], "puppet": ["a string"],
                         "bicycle": ["a pedal", "the chain"], "clock": ["the hand"], "lamp": ["the switch"],
                         "chair": ["a leg"], "drum": ["a stick"], "umbrella": ["the handle"],
                         "guitar": ["a string"], "train set": ["a wheel"], "watch": ["the strap"]}[t.noun])
    s.set(part=part)
    s.say("{@time}, there was a [loud |]crack. {part} [came off|was broken].",
          "{@time}, {a} [fell|slipped|ran too fast], and {part} [broke|came off].",
          "But {@time}, {part} [broke|snapped|came off].")
    s.ask("What broke?", "{part} of {t.thefull} broke.")
    s.feel("a", "sad")
    s.say('"[Now {t.they} {t.is} broken|I broke {t.it}|What can I do|It will never work again]," said {a}.')
    s.par()
    tool = s.rng.choice(("hammer", "screwdriver", "wrench", "glue", "needle", "saw"))
    s.set(tool={"needle": "a needle and thread", "glue": "some glue"}.get(tool, "a " + tool),
          with_what={"hammer": "two small nails", "screwdriver": "three little screws",
                     "wrench": "a new bolt", "glue": "a drop of water", "needle": "strong thread",
                     "saw": "a piece of wood"}[tool])
    s.say("{a} tried to fix {t.it} with [tape|string|chewing gum|a ribbon], but it did not [hold|work].",
          "First {a} [pushed|pressed] the parts together. They fell apart again.",
          "{a} tried to fix {t.it} alone, but it was too [hard|difficult].")
    helper = s.rng.random()
    if helper < 0.5:
        s.elder("e")
    elif helper < 0.75:
        s.worker("e", s.rng.choice(("carpenter", "clockmaker", "tailor", "shoemaker", "farmer")))
    else:
        s.child("e")
    s.say("So {a} [took|brought] {t.it} to {e.name}.", "So {a} went to {e.name} and asked for help.",
          "{e.name} saw {a.him} and came [over|closer].")
    s.say('"[Let me see|Let me look at {t.it}|Show me]," said {e.name}. "[I think we can fix {t.it}|This is '
          'not so bad|We only need {tool}]."')
    s.say("{e} got {tool} and {with_what}.", "They took {tool} and {with_what} from the "
          "[drawer|shelf|tool box].")
    s.say("{a} held {t} [still|tight] while {e.name} [worked|fixed {part}].",
          "{e} showed {a.name} how to do it, and {a.name} did the last part {a.self}.",
          "They worked [until noon|for an hour|very carefully].")
    s.say("[Soon|At last|After a while], {t} {t.was} [as good as new|whole again|better than before].",
          "Then they tried {t.it}. It worked!")
    s.ask("Who helped {a} fix {t.thefull}?", "{e} helped {a} fix {t.thefull}.")
    s.ask("What did they use to fix {t.thefull}?", "They used {tool} and {with_what}.")
    s.feel("a", "happy")
    s.thanks("a", "e")
    s.ending(s.rng.choice(("help", "try")), "e")


def broke_truth(s):
    s.child("a")
    s.elder("e")
    s.opening("a")
    thing = s.rng.choice(("cup", "vase", "plate", "window", "jar of jam", "lamp", "mirror", "flower pot", "bowl",
                          "teapot"))
    s.set(v=thing, vc=s.rng.choice(w.COLORS), g=s.rng.choice(("ball", "stick", "toy car", "pillow", "kite")))
    s.say("{@time}, {a} [was playing|played] with a {g} in the [kitchen|house|hall|living room].",
          "{@time}, {a} ran around with a {g}, [though {e.name} had said no|even in the house].")
    s.say("[Crash|Bang|Oh no]! The {g} hit the {vc} {v}, and it [broke|fell and broke].",
          "{a} bumped into the table, and the {vc} {v} fell down and broke.")
    s.ask("What did {a} break?", "{a} broke the {vc} {v}.")
    s.set(own=s.rng.choice(("It was {e.name}'s favorite.", "{e.name} had bought it last week.",
                            "It had been in the house for a long time.")))
    s.sentences.append(s.fill(s.roles["own"]))
    s.feel("a", "scared")
    s.say("{a} [swept up the pieces and hid them|hid behind the door|put the pieces in a box].",
          '"[Maybe nobody will see|What will {e.name} say|I can say it was the cat]," {a} thought.')
    s.par()
    s.say("Then {e.name} came in. \"[What happened to my {v}|Where is my {v}|What was that noise]?\"",
          "Soon {e.name} came home and [saw|found] the [pieces|mess].")
    if s.rng.random() < 0.5:
        s.say('"[The cat did it|It was the wind|I do not know]," said {a.name}. But {a.his} face was red.')
        s.say("{a.name} felt bad. [{a.his} tummy hurt|{a.he} could not eat {a.own} supper]. "
              "[After a while|Later], {a} went to {e.name}.")
    s.say('"I broke it," said {a.name}. "I am [so |very |]sorry."',
          '{a.name} [took a deep breath|began to cry]. "It was me. I am sorry."')
    s.say('{e.name} was quiet for a moment. Then {e.he} said, "[Thank you for telling me the truth|I am glad '
          'you told me|A {v} is only a {v}|I am not angry. You were honest]."')
    s.say("They [cleaned up together|glued the pieces together|went to the market to buy a new one].",
          "{a} [saved {a.own} coins and bought a new {v}|made a new one from clay|painted a picture for {e.name}].")
    s.ask("Did {a} tell the truth?", "Yes, {a} told {e} the truth.")
    s.ending("honest", "e")


def share_treat(s):
    s.child("a")
    s.child("b")
    s.opening("a")
    treat = s.rng.choice(w.FOODS)
    n = s.rng.randint(2, 6)
    s.set(f=treat, fs=plural(treat), n=w.NUMBERS[n], half=w.NUMBERS[n // 2])
    s.say("{@time}, {a} had {n} {fs}.", "{@time}, [Grandma|the baker|a farmer] gave {a.him} {n} {fs}.",
          "{@time}, {a} found {n} {fs} on the table.")
    s.say("They [smelled|looked] so good!", '"[They are all for me|I will eat them all|Mine, mine, mine]," '
          "thought {a}.", "{a} [sat down under a tree|went to a quiet place] to eat them.")
    s.say("Then {b.name} came [by|along]. {b.he} was {@trait}, but today {b.he} was very hungry."
          if s.roles["b"].sex != s.roles["a"].sex else
          "Then {b.name} came [by|along]. {b.name} had no [lunch|food|{f}].",
          "{b.name}, [a friend from next door|a {@trait} {b.noun}], came by and looked at the {fs}.")
    s.say('"[May I have one|Those look good|I have not eaten today]," said {b.name}.',
          '{b.name} did not say anything, but {b.own} tummy rumbled.')
    s.par()
    kind = s.rng.random() < 0.6
    if not kind:
        s.say('"No," said {a.name}. "[They are mine|I want them all]."')
        s.say("{b} walked away {@sadly}.", "{b} [looked down|went away] and said nothing.")
        s.leave("b")
        s.say("{a.name} ate one {f}. But it did not taste [so |very |]good [alone|now].")
        s.say("{a} thought of {b.name} and felt bad. So {a.he} ran after {b.name}.")
        s.enter("b")
    s.say('"[Here|Take this|Let us share], {b.name}," said {a.name}. "There is [enough|some] for both of us."',
          "{a.name} gave {b.name} {half} of the {fs}." if n % 2 == 0 else
          "{a.name} gave {b.name} some of the {fs}.")
    s.ask("What did {a} share?", "{a} shared the {fs}.")
    s.ask("Who got some of the {fs}?", "{b} got some of the {fs}.")
    s.feel("b", "happy")
    s.say("They sat [side by side|in the sun|under a tree] and ate.", "The {fs} tasted [better|much better] "
          "with a friend.", "The next day, {b.name} brought {@drink} and shared it with {a.name}.")
    s.ending("share", "b")


def plural(noun):
    if noun.endswith(("ch", "sh", "s")) or noun in ("potato", "tomato", "mango"):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def same_wish(s):
    a, b = s.child("a"), s.child("b")
    s.opening("a")
    t = s.thing("t", None, nouns=("ball doll drum robot scooter puppet kite sled wagon top book camera flute guitar "
                                  "whistle bicycle puzzle").split() + ["toy car", "train set", "jump rope"])
    t.spot = "there"
    s.at("p", None if not s.is_animal else ["forest", "meadow", "garden", "farm", "orchard"])
    s.say("{a} and {b} [were friends|were best friends|lived next door to each other|often played together].")
    s.say("{@time}, they found {t.a} {p.at}.", "{@time}, they were {p.at}. There was {t.a} to play with.")
    s.say('"I [want|saw] {t.it} first!" said {a.name}. "No, me!" said {b.name}.',
          "{a.name} wanted {t.it}. {b.name} wanted {t.it} too.")
    s.take("a", "t")
    s.say("{a.name} [grabbed|took] {t}. {b.name} pulled [hard|on the other side].",
          "They pulled and [pulled|shouted]. Nobody would let go.")
    s.say("[Then|Suddenly] both fell [down|over] into the [mud|grass|sand].", "[Crack|Rip]! {t} almost broke.",
          "They were so [angry|cross] that they [stopped talking|both began to cry].")
    s.par()
    s.ask("What did {a} and {b} both want?", "They both wanted {t.thefull}.")
    if s.rng.random() < 0.5:
        s.elder("e")
        s.say("{e.name} heard the noise and came. \"[You can take turns|One after the other|Can you not share]?\" "
              "{e.he} said.", '"Stop!" said {e.name}. "[Think of a fair way|Take turns|A toy is no good without '
              'a friend]."')
        s.ask("Who told them to take turns?", "{e} told them to take turns.")
    else:
        s.say('Then {b.name} [sighed|laughed]. "[This is silly|Let us not fight|You go first]. We can take turns."',
              "{a.name} looked at {b.name}. \"[I am sorry|Let us share]. You can go first.\"")
    s.give("a", "b", "t")
    s.say("So {a.name} gave {t} to {b.name} and [counted to ten|waited|sang a song].",
          "So {b.name} [had|got] the first turn, and {a.name} had the second.")
    s.maybe(0.6, "They found a game for two. It was [much |]more fun.", "Soon they were laughing again.")
    s.ending("share", "b")


def market(s):
    s.child("a")
    s.is_animal = False
    s.opening("a")
    n, price = s.rng.randint(4, 10), s.rng.randint(1, 3)
    item = s.rng.choice(("apple", "pear", "bun", "peach", "melon", "cookie", "carrot", "tomato", "muffin", "onion",
                         "pretzel", "lemon", "pumpkin", "cabbage"))
    k = s.rng.randint(1, n // price)
    total, left = k * price, n - k * price
    s.set(n=w.NUMBERS[n], one=count(price, "coin"), what=count(k, item), total=count(total, "coin"),
          left=count(left, "coin") if left else "no coins", item=item, items=plural(item))
    s.elder("e")
    s.say("{@time}, {e.name} gave {a.name} {n} coins. \"[Please go|Go] to the market and buy {what},\" {e.he} said.",
          '"We need {what}," {e.name} said {@time} and gave {a.name} {n} coins.')
    s.leave("e")
    s.say("{a.name} took a [big |small |]basket and walked to the market.", "{a.name} [skipped|ran|went] to the "
          "market with a [straw|brown|little] basket.")
    s.say("There were [baskets of plums|jars of honey|hens in cages|flowers in every color|warm loaves|cheese "
          "wheels] and [a man who sang|a lady with a parrot|a juggler|many people|fish on ice].",
          "It was [loud|crowded|busy] and smelled of [bread|fish|flowers|spice].")
    s.worker("m", s.rng.choice(("farmer", "baker", "gardener")))
    s.say('"[How much is one {item}|What does one {item} cost]?" asked {a.name}. "{one}," said {m.name}.')
    s.say("{a.name} counted. {what} cost {total}." if k == 1 else "{a.name} counted. {what} cost {total} together.")
    s.say("{a.name} paid {total} and put the {x} in the basket. {a.he} had {left} left."
          .replace("{x}", "{item}" if k == 1 else "{items}"))
    s.ask("How many coins did {a} have first?", "{a} had {n} coins.")
    s.ask("What did {a} buy?", "{a} bought {what}.")
    s.ask("How many coins did {a} have left?", "{a} had {left} left.")
    s.par()
    if s.rng.random() < 0.5 and left:
        s.say("On the way home, {a.name} saw [an old man|a hungry dog|a girl with no shoes|a sad clown|a "
              "musician]. {a.he} gave away [one coin|a coin] and felt {@happy}.")
    else:
        s.say("On the way home, {a.name} [fell over a stone|met a goat|had to cross a puddle]. [The basket "
              "tipped, but nothing was lost|{a.he} held the basket tight].")
    s.enter("e")
    s.say("At home, {e.name} looked into the basket. \"[Well done|You did this all alone|Just right]!\" {e.he} said.")
    s.say("[That night|Then] they [made|cooked|ate] {@dish} together.", "{a.name} was {@proud}.")
    s.ending(None, "e")


def count(n, noun):
    return f"{w.NUMBERS[n]} {noun if n == 1 else plural(noun)}"


def birthday(s):
    a, b = s.child("a"), s.child("b")
    s.opening("a")
    s.say("[Tomorrow|Soon|On {@day}] was {b.name}'s birthday. {b.name} was {a.his} best friend.",
          "{b.name}, {a.his} best friend, was going to have a birthday [on {@day}|the next day].")
    s.leave("b")
    t = s.thing("t", "a")
    s.say('"What can I give {b.name}?" {a} [wondered|thought].', "{a} wanted to give {b.name} [a special|a "
          "really good|the best] present.")
    s.maybe(0.7, "{a} had no [coins|money], so {a.he} [looked around at home|wanted to make something|thought "
            "and thought].", "{a} thought of a {@food}, but that would be gone [too |so |]soon.")
    s.say("[At last|Then], {a} knew. {a.he} [had|owned] {t.a} that {b.name} [liked|loved].",
          "Then {a} made {t.a} with {a.own} own hands. It took [two|three] days.")
    s.say("{a} wrapped {t.it} in {@color} paper and tied a {@color} ribbon around it.",
          "{a} put {t.it} in a [small|big] box and drew [stars|flowers|hearts|fish] on it.")
    s.par()
    s.enter("b")
    s.say("On the big day, there [was|were] [cake and {@drink}|balloons|candles and songs] at {b.name}'s house.",
          "The party began at three o'clock. [Everyone sang|There were games|There was a big cake].")
    s.give("a", "b", "t")
    s.say("{b.name} opened {a.name}'s present [first|last|slowly].", "{a.name} gave {b.name} the present.")
    s.say('"Oh! {t.a}!" {@cry} {b.name}. "[I always wanted {t.it}|You are the best|Just what I wanted]!"',
          "{b} looked inside. {t.they} {t.was} just what {b.he} had wished for.")
    s.ask("What did {a} give {b}?", "{a} gave {b} {t.a}.")
    s.ask("Who had a birthday?", "{b} had a birthday.")
    s.feel("b", "happy")
    s.thanks("b", "a")
    s.ending("share", "b")


def treasure_map(s):
    s.child("a")
    s.child("b")
    s.opening("a")
    t = s.thing("t", None, nouns="ring coin medal necklace key shell watch bell camera flute".split())
    s.say("{@time}, {a} and {a.own} friend {b.name} found an old map [in a bottle|in a book|in the attic|under a "
          "stone|in a box].", "{@time}, the wind blew a piece of paper to {a.name} and {b.name}. It was a map!")
    s.at("p", w.OUTDOOR + ["castle", "barn", "mountain"] if not s.is_animal else
         ["forest", "river", "hill", "meadow", "beach"])
    s.spots(2)
    t.spot = s.roles["s1"]
    s.say("A red cross was [painted|drawn] {p.at}.", '"Look, the cross is {p.at}," said {a.name}.')
    s.say("They [packed|took] [a rope and a lamp|a shovel|bread and {@drink}|a bag of {@food} cake] and went {p.to}.")
    s.say("[On the way|First], they had to [cross a small bridge|climb over a fence|walk through tall grass|jump over "
          "a brook|crawl through a hedge].", "{b.name} was [a little |]{@scared}, but {a.name} [held {b.own} "
          "hand|sang a song]." if not s.is_animal else "{b.name} was a little {@scared}, but {a.name} sang a song.")
    s.par()
    s.say("They looked {s2}. Nothing. Then they looked {s1}.", "They dug {s2}, but there were only roots. Then they "
          "tried {s1}.")
    s.take("b", "t")
    s.say("There was a [small|rusty|wooden] box! In the box was {t.a}.", "[Clunk|Tap]! {b.name} pulled out a box. "
          "{t.a} lay inside.")
    s.ask("What was in the box?", "In the box was {t.a}.")
    s.ask("Where was the box?", "The box was {s1}.")
    s.say("Under {t.it} lay a note. It said, \"[Whoever finds this is my friend|The best treasure is a good friend|"
          "Share this with somebody you love]\".", '"[We are rich|We did it|A real treasure]!" {@cry} {b.name}.')
    s.say("They [took turns wearing|took turns keeping|showed everyone] {t}." if t.kind == "treasure" else
          "They took turns with {t}.", "{b.name} kept {t.it} one week, and {a.name} kept {t.it} the next.")
    s.ending("share", "b")


def make_thing(s):
    a = s.child("a")
    s.opening("a")
    kind = s.rng.choice((
        ("a tree house", "boards; nails; a rope", "the roof leaked", "the wind shook it"),
        ("a raft", "logs; rope; an old sheet", "it sank a little", "it turned around and around"),
        ("a snowman", "snow; two sticks; a carrot", "the head rolled off", "it leaned to the side"),
        ("a sand castle", "sand; shells; water", "a wave washed it away", "the tower fell"),
        ("a bird house", "boards; nails; paint", "the door was too small", "the roof fell off"),
        ("a fort", "blankets; chairs; pillows", "it fell down", "it was too small"),
        ("a scarecrow", "straw; an old shirt; a stick", "it fell over", "it lost its hat"),
        ("a little bridge", "stones; boards; rope", "it was too short", "it shook too much"),
        ("a toy ship", "wood; paper; string", "it tipped over", "it filled with water"),
        ("a costume", "cloth; buttons; ribbons", "it was too long", "a sleeve came off"),
        ("a lantern", "paper; wire; a candle", "the paper tore", "it would not stand"),
        ("a swing", "rope; a board; two knots", "a knot came loose", "it hung too high")))
    parts = kind[1].split("; ")
    s.set(k=kind[0], m1=parts[0], m2=parts[1], m3=parts[2], bad1=kind[2], bad2=kind[3], kn=kind[0][2:])
    s.say("{@time}, {a} [wanted|decided] to make {k}.", '"I will make {k}," said {a} {@time}.')
    s.say("{a} [got|found|gathered] {m1}, {m2} and {m3}.", "For that, {a} needed {m1}, {m2} and {m3}.")
    s.ask("What did {a} make?", "{a} made {k}.")
    s.ask("What did {a} need?", "{a} needed {m1}, {m2} and {m3}.")
    s.say("[But the first time|At first], {bad1}.", "{a} worked all morning. But then {bad1}.")
    s.feel("a", "sad")
    s.say('"[I will try again|I will not give up|Once more]," {a} said.', "{a} [thought|rested] a little and began "
          "again.")
    s.say("The second time, {bad2}.", "This time, {bad2}.")
    if s.rng.random() < 0.6:
        s.child("b")
        s.par()
        s.say("{b.name} [came by|saw it]. \"[Use more {m1}|You need stronger {m2}|Let me hold it for you|Start at "
              "the bottom],\" {b.he} said.", "{b.name} wanted to help. {b.he} held the {m2} while {a.name} worked.")
        s.ask("Who helped {a}?", "{b} helped {a}.")
        s.say("[Together|With four hands], it [went|was] much [easier|faster].")
        s.say("[At last|In the evening], the {kn} was [done|ready].")
        s.feel("a", "proud")
        s.ending(s.rng.choice(("try", "help")), "b")
    else:
        s.par()
        s.say("So {a} [looked at a picture in a book|used more {m1}|worked more slowly|tied everything twice].")
        s.say("[At last|The third time|Before the sun went down], the {kn} was [done|ready|just right].")
        s.feel("a", "proud")
        s.ending("try")


def magic(s):
    s.child("a")
    s.opening("a")
    s.at("p", None if s.is_animal else w.OUTDOOR)
    s.spots(1)
    obj = s.rng.choice(("stone", "acorn", "button", "seed", "bottle", "feather", "bean", "lamp"))
    s.set(o=obj, oc=s.rng.choice(w.COLORS), wish=s.rng.choice((
        "a mountain of {@food} pie", "to fly like a bird", "a house made of cake", "to be as tall as a tree",
        "a boat that could fly", "to talk with the moon", "a hundred toys", "never to go to bed")))
    s.set(wish=s.roles["wish"].replace("{@food}", s.rng.choice(w.FOODS)))
    s.say("{@time}, {a} found a [strange|glowing|shiny] {oc} {o} {s1}.", "{@time}, {p.at}, {a} saw a {oc} {o} that "
          "[shone|glowed|hummed].")
    s.say('"[Make a wish|You have one wish|Wish for something]," said a [tiny|soft|squeaky] voice.',
          "When {a} [rubbed|touched] it, a [tiny fairy|small voice|little man] said, \"You have one wish.\"")
    s.ask("What did {a} find?", "{a} found a {oc} {o}.")
    s.ask("What did {a} wish for?", "{a} wished for {wish}." if s.roles["wish"].startswith("a") else
          "{a} wished {wish}.")
    s.say('"I wish for {wish}!" said {a}.' if s.roles["wish"].startswith("a") else
          '"I wish {wish}!" said {a}.')
    s.say("[Pop|Whoosh|Zing]! The wish came true.", "There was a flash of {@color} light. It worked!")
    s.par()
    s.say("At first, it was [great|wonderful|so much fun]. {a} [laughed and laughed|could hardly believe it].")
    s.say("But soon {a} [felt lonely|got a tummy ache|was tired|missed {a.own} friends|grew bored].",
          "But [after a while|by the evening], {a} did not [like it any more|feel so good].")
    s.say('"[Please take it back|I want things as they were|I do not need this]," {a} told the {o}.')
    s.say("The {o} [blinked|grew warm|hummed], and all was as before.", "[Pop|Whoosh]! Everything was as before.")
    s.say("{a} [put the {o} back {s1}|threw the {o} far away|gave the {o} to a {@trait} beetle].")
    s.say("\"I have [all I need|a bed, a home and friends|enough],\" {a} [said|thought].",
          "{a} ran home and hugged [everyone|{a.own} pillow|{a.own} family].")
    s.ending()


SCHEMAS = [lost_thing, lost_thing, lost_thing, found_thing, repair, repair, broke_truth, share_treat, same_wish,
           market, birthday, treasure_map, make_thing, magic]
