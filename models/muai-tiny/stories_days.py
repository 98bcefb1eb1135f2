"""stories_days - schemas about days: outings, weather, work, school, nights, skills."""
import words as w
from stories_things import count, plural


def weather_spoils(s):
    s.child("a")
    s.child("b")
    s.opening("a")
    plan = s.rng.choice((("have a picnic", "park garden forest beach meadow hill"), ("fly a kite", "hill meadow beach"),
                         ("go swimming", "lake river pond beach"), ("pick berries", "forest garden meadow"),
                         ("play ball", "park playground yard meadow"), ("ride bicycles", "park hill"),
                         ("have a race", "park meadow beach"), ("sail a toy boat", "pond lake river"),
                         ("look for shells", "beach"), ("sleep in a tent", "forest meadow yard"))
                        if not s.is_animal else (("have a picnic", "meadow hill forest"), ("pick berries", "forest meadow"),
                                                 ("have a race", "meadow hill"), ("look for nuts", "forest orchard"),
                                                 ("swim", "river lake pond"), ("sail a leaf boat", "pond river")))
    s.at("p", plan[1].split())
    plan = plan[0]
    storm = s.rng.choice(w.STORMS)
    s.set(plan=plan, began=storm[1], storm=storm[2])
    s.say("{@time}, {a} and {b.name} wanted to {plan} {p.at}.", '"[Today|This afternoon] we will {plan} {p.at}," said '
          "{a.name} to {b.name} {@time}.")
    s.say("They packed [a basket|a bag] with [{@dish}|{@drink}|a {@food} and {@drink}|a blanket and {@drink}].",
          "They had [waited for this day all week|talked about it for days].")
    s.say("The sky was {@fine}.", "They [walked|ran|skipped] {p.to}.")
    s.say("But [soon|then|when they got there], {began}.", "Suddenly [the sky grew dark and|clouds came up and] "
          "{began}.")
    s.ask("What did {a} and {b} want to do?", "They wanted to {plan}.")
    s.ask("Why did the plan change?", "The plan changed because of {storm}.")
    s.feel(s.rng.choice("ab"), "sad")
    s.say('"[Our day is spoiled|Now we cannot {plan}|What now]," said {b.name}.', '"[Quick|Run]!" {@cry} {a.name}. '
          "They ran [under a big tree|home|into a barn|to a little hut].")
    s.par()
    alt = s.rng.choice(("a picnic on the floor", "a tent made of blankets", "a puppet show", "a story by the fire",
                        "a game of hide and seek", "a boat made of a box", "a concert with pots and spoons",
                        "a castle of pillows", "a drawing of the sun", "a tea party under the table"))
    s.set(alt=alt)
    s.say("Then {a.name} had an idea. \"[We can have|Let us have|What about] {alt}!\"",
          'They looked at {storm} for a while. "[I know|Listen]," said {b.name}. "{alt}! [We can do that inside|That '
          'works in any weather]."')
    s.say("So they [got everything they needed|moved the chairs|found a warm corner] and [had|made] {alt}.",
          "[Soon|A little later] they [laughed|sang] louder than {storm}.")
    s.maybe(0.5, "They [ate {@dish}|drank {@drink}] and [told jokes|listened to {storm}|sang songs].")
    s.ask("What did they do then?", "They had {alt}.")
    s.maybe(0.5, "When {storm} was over, [a rainbow stood over the hill|the sun came out again|everything smelled "
            "fresh|the world was quiet].")
    s.ending("plan", "b")


def baking(s):
    s.child("a")
    s.elder("e")
    s.opening("a")
    bake = s.rng.choice(w.BAKES)
    parts = bake[1].split("; ")
    miss = s.rng.choice(parts)
    other = s.rng.sample([x for x in parts if x != miss], 3)
    s.set(cake=bake[0], miss=miss, o1=other[0], o2=other[1], o3=other[2], smell=bake[2])
    s.say("{@time}, {a} and {e.name} wanted to bake {c}.".replace("{c}", article(bake[0])),
          '"[Let us|Shall we] bake {c} today?" asked {e.name} {@time}.'.replace("{c}", article(bake[0])))
    s.maybe(0.6, "It was for [{a.his} birthday|the fair|a sick friend|the school party|Sunday lunch].")
    s.say("They [washed their hands|put on aprons|read the recipe] and got {o1}, {o2} and {o3}.",
          "On the table they put {o1}, {o2} and {o3}.")
    s.ask("What did {a} and {e} bake?", "They baked " + article(bake[0]) + ".")
    if s.rng.random() < 0.6:
        s.say('"Oh no! There is no {miss}," said {e.name}.', "But the {miss} jar was empty."
              if miss in ("flour", "sugar", "honey", "salt", "cocoa", "cinnamon", "ginger") else
              "But there was no {miss} in the kitchen.")
        s.ask("What was missing?", "The {miss} was missing." if not miss.endswith("s") else
              "The {miss} were missing.")
        s.elder("n")
        s.say("{a} ran to {n.name} and asked for some {miss}.", "So {a} went next door to {n.name}. \"May we have some "
              "{miss}, please?\"")
        s.say("{n.name} gave {a.him} [a cup|a bowl|a bag] full.", '"[Of course|Here you are|Take as much as you '
              'need]," said {n.name}.')
        s.ask("Who gave them {miss}?", "{n} gave them {miss}.")
    else:
        s.say("{a.name} [spilled {o1} on the floor|dropped a spoon|got {o2} on {a.own} nose], and they both laughed.",
              "{a.name} [stirred|mixed] until {a.own} arms [hurt|were tired].")
        s.leave("e")
        s.enter("e")
    s.par()
    s.say("They mixed everything in a [big|blue|deep] bowl. {a.name} [licked the spoon|stirred and stirred|counted to "
          "fifty].", "{a.name} poured in the {miss}, and {e.name} stirred.")
    s.say("The oven was hot, so {e.name} put the {cake} in [with care|and closed the door].",
          '"[Be careful|Stand back], the oven is hot," said {e.name}.')
    s.say("[Soon|After a while] the [whole |]house smelled of {smell}.", "They waited and waited. It smelled of "
          "{smell}.")
    s.say("The {cake} came out [golden|a little flat|a bit brown on one side|warm and soft], [and|but] it tasted "
          "[great|wonderful|very good].", "They ate the first piece [while it was warm|with {@drink}].")
    s.maybe(0.7, "They gave a piece to [everyone|the neighbors|the mail carrier|a friend].")
    s.ending(s.rng.choice((None, "share", "help")), "e")


def article(noun):
    if noun.endswith("s") or noun in ("banana bread", "gingerbread", "cheese bread"):
        return "some " + noun
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def trip(s):
    s.is_animal = False
    s.child("a")
    s.elder("e")
    s.opening("a")
    s.at("p", w.TRIPS)
    ride = s.rng.choice(("train", "bus", "car", "boat", "cart", "bicycle", "tram", "plane"))
    s.set(ride=ride, v1=s.place.sights[0], v2=s.place.sights[1], v3=s.rng.choice(s.place.sights[2:]))
    s.say("{@time}, {a} and {e.name} went {p.to} by {ride}.", "It was {@day}. {a} and {e.name} took the {ride} {p.to}.",
          '"Wake up, {a.name}!" said {e.name}. "Today we go {p.to}." They took the {ride}.')
    s.ask("Where did {a} go?", "{a} went {p.to}.")
    s.ask("How did they travel?", "They went by {ride}.")
    s.say("On the way, {a} [looked out of the window|counted {@color} cars|sang all the songs {a.he} knew|asked, \"Are "
          "we there yet?\"|ate a {@food}].", "The trip was long, and {a} [fell asleep|counted trees|told riddles].")
    s.say("{p.at}, they saw {v1}. They saw {v2} too.", "First they saw {v1}. Then they saw {v2}.")
    s.maybe(0.6, '"[Look|Oh]! {v3}!" {@cry} {a.name}.')
    s.par()
    trouble = s.rng.random()
    if trouble < 0.4:
        s.say("{a.name} ran ahead to see more. When {a.he} turned around, {e.name} was gone.",
              "There were so many people that {a.name} lost {e.name}.")
        s.leave("e")
        s.feel("a", "scared")
        s.say("{a} remembered [the rule|what to do]: [stay where you are|ask somebody who works here].")
        s.worker("m", s.rng.choice(("police officer", "bus driver", "gardener", "fisherman", "nurse")))
        s.say("{a.name} asked {m.name} for help. \"What does {e.name} look like?\" \"[A {@color} hat and a big bag|A "
              "{@color} coat|Very tall, with glasses].\"")
        s.enter("e")
        s.say("Soon they found {e.name}. \"There you are!\" {e.name} [said|cried] and hugged {a.name} tight.")
        s.ask("Who helped {a}?", "{m} helped {a}.")
    elif trouble < 0.7:
        s.say("Then {a.name} [dropped {a.own} lunch in the water|tore {a.own} pants|stepped into a deep puddle|lost a "
              "shoe in the mud]. {e.name} [laughed|smiled] and [helped|shared {e.own} lunch|cleaned it].")
        s.say('"[That can happen to anyone|We will laugh about it tomorrow|Now we have a story to tell]," said {e.name}.')
    else:
        s.say("They [ate {@dish}|had {@drink}|sat on a bench] and [watched the clouds|fed the birds|listened to the "
              "wind].", "{a.name} [found a feather|drew a picture|picked a flower|took a picture] to keep.")
    s.say("In the evening, they [rode|went] home. {a.name} was tired but {@happy}.", "On the way home, {a.name} fell "
          "asleep [on {e.his} shoulder|with a smile].")
    s.ending(None, "e")


def contest(s):
    a, b = s.child("a"), s.child("b")
    s.opening("a")
    kind = s.rng.choice((
        ("race", "ran", "run", "fast"), ("swimming race", "swam", "swim", "fast"),
        ("drawing contest", "drew", "draw", "well"), ("singing contest", "sang", "sing", "well"),
        ("jumping contest", "jumped", "jump", "high"), ("kite contest", "flew a kite", "fly a kite", "high"),
        ("baking contest", "baked a pie", "bake", "well"), ("snail race", "cheered", "cheer", "loudly"),
        ("dance contest", "danced", "dance", "well"), ("sack race", "hopped", "hop", "fast"),
        ("spelling contest", "spelled hard words", "spell", "well"), ("boat race", "rowed", "row", "fast")))
    s.set(c=kind[0], did=kind[1], do=kind[2], how=kind[3])
    s.at("p", None if s.is_animal else "park school fair hill village_square lake meadow".split())
    s.say("[There was|On {@day}, there was] [going to be |]a {c} {p.at}.", '"[There is|Come to] a {c} {p.at} on '
          '{@day}!" said a sign.')
    s.say("{a} wanted to win, but {a.he} could not {do} very {how}.", "{a} had never been in a {c} before.")
    s.say("{b.name} [laughed|boasted]. \"I [always win|am the best|can {do} better than you].\"",
          "{b.name} could {do} very {how}. Everyone thought that {b.name} would win.")
    s.say("So {a.name} practiced every [day|morning|evening]. At first it was [hard|not easy].",
          "{a.name} practiced with {a.own} [mother|brother|sister|uncle] for a week.")
    s.maybe(0.5, "{a} [got tired|fell down|made mistakes], but {a.he} [tried again|did not stop].")
    s.par()
    s.say("[Then|At last] the big day came. [Everyone|Many friends] came to watch.", '"[Ready, set, go|Let the {c} '
          'begin]!" called the judge.')
    s.say("{b.name} {did}. Then {a.name} {did}.", "{a.name} {did} as {how} as {a.he} could. {b.name} {did} too."
          if "cheer" not in kind[1] else "{a.name} {did} as loudly as {a.he} could.")
    end = s.rng.random()
    if end < 0.35:
        s.say("And the winner was {a.name}!", "{a.name} won the {c}!")
        s.ask("Who won the {c}?", "{a} won the {c}.")
        s.say('"[Well done|You were better today|You surprised us all]!" said {b.name}. "I practiced," said {a.name}.')
        s.feel("a", "proud")
        s.ending("try", "b")
    elif end < 0.6:
        s.say("{b.name} won the {c}, and {a.name} was [second|last|third].")
        s.ask("Who won the {c}?", "{b} won the {c}.")
        s.say("But {a.name} was not sad. \"I {did} better than ever before,\" {a.he} said."
              if kind[1] not in ("baked a pie", "flew a kite", "cheered") else
              "But {a.name} was not sad. \"It was fun,\" {a.he} said.")
        s.say("{b.name} [shook {a.his} hand|shared the prize with {a.name}|asked {a.name} to practice together]."
              if not s.is_animal else "{b.name} shared the prize with {a.name}.")
        s.ending("try", "b")
    else:
        s.say("[In the middle|Near the end], {b.name} [fell|tripped over a root|hurt a foot|began to cough].")
        s.say("{a.name} stopped and helped {b.name} up. \"[Are you all right|Can you walk|Lean on me]?\" {a.he} asked.")
        s.say("They came in last, but everyone [clapped|cheered] for them.", "The judge gave them both a [medal|prize]"
              " for being [kind|good friends].")
        s.ask("Why did {a} stop?", "{a} stopped to help {b}.")
        s.ending("help", "b")


def garden(s):
    s.child("a")
    s.opening("a")
    plant = s.rng.choice(("carrot", "pumpkin", "sunflower", "bean", "tomato", "rose", "radish", "pea", "tulip",
                          "strawberry", "cucumber", "daisy", "onion", "cabbage", "melon"))
    s.set(f=plant, fs=plural(plant))
    s.elder("e")
    s.say("{@time}, {e.name} gave {a.name} [a little bag of|some] {f} seeds.", "{a} found [one|a single] {f} seed in "
          "{a.own} pocket.", "{@time}, {a} wanted to grow {fs}.")
    s.ask("What did {a} plant?", "{a} planted {f} seeds.")
    s.say("{a.name} dug a [small |]hole, put the seeds in and [covered them|patted the earth].",
          '"[Seeds need water and sun|Put them in the earth|Not too deep]," said {e.name}, and {a.name} planted them.')
    s.say("{a.name} watered them every [day|morning].", "Every morning, {a.name} came with the watering can.")
    s.say("[One day passed. Two days passed.|A whole week went by.] Nothing [grew|happened|came up].",
          '"[Grow|Hurry up], little {f}!" said {a.name}. But nothing happened.')
    s.feel("a", "sad")
    s.say('"[You must wait|Good things take time|Be patient]," said {e.name}.', "{a.name} [sang to them|told them a "
          "story|read a book to them|sat beside them].")
    s.par()
    if s.rng.random() < 0.6:
        s.set(pest=s.rng.choice(("a snail", "a rabbit", "a crow", "a goat", "a caterpillar", "a hen")))
        s.say("[Then|One morning], there was a tiny green leaf! But {pest} wanted to eat it.")
        s.say("{a.name} [put a little fence around it|gave {pest} some old lettuce|made a scarecrow|asked {pest} to eat "
              "grass].".replace("gave {pest}", "gave it").replace("asked {pest}", "asked it"))
        s.ask("Who wanted to eat the leaf?", "{pest} wanted to eat the leaf.")
    else:
        s.say("[Then|One morning], {a.name} saw a tiny green leaf. {a.he} [danced|shouted|ran to {e.name}].")
        s.maybe(0.6, "[Then|In May] it did not rain for [days|two weeks], so {a.name} carried [a bucket|two buckets] of "
                "water from the well.")
    s.say("The plants grew [and grew|taller every day|up to {a.his} nose].", "[In summer|After some weeks], the {fs} "
          "were [big and bright|ready|the best in the village].")
    s.say("{a.name} gave [the first one|some] to {e.name}.", "{a.name} [picked|cut] them and [shared them|put them in a "
          "basket].")
    s.feel("a", "proud")
    s.ending("patient", "e")


def school(s):
    s.is_animal = False
    s.child("a")
    s.child("b")
    s.opening("a")
    s.set(tn=s.rng.choice(("Miss", "Mrs.", "Mr.")) + " " + s.name(w.SURNAMES))
    s.say("It was {a.his} first day at [a new|] school.", "On {@day}, {a} went to school for the first time.")
    s.feel("a", "scared")
    s.say('"[What if nobody likes me|What if I get lost|I do not know anyone]," {a} thought.')
    s.say("The teacher was {tn}. \"[Welcome|Good morning|Come in], {a.name},\" {tn} said.",
          "{tn}, the teacher, showed {a.name} a seat [by the window|near the door|in the front row].")
    s.ask("Who was the teacher?", "The teacher was {tn}.")
    s.set(lesson_of=s.rng.choice(("count to one hundred", "write their names", "draw their families", "sing a new "
                                  "song", "read a poem", "paint with water colors", "add small numbers", "learn about "
                                  "frogs", "plant beans", "tell about their pets")))
    s.say("The children had to {lesson_of}.", "First, the class had to {lesson_of}.")
    s.ask("What did the children have to do?", "They had to {lesson_of}.")
    s.par()
    pick = s.rng.random()
    if pick < 0.5:
        t = s.thing("t", "b", nouns=["pencil", "ruler", "eraser", "crayons", "notebook", "scissors", "paintbrush"])
        s.say("But {a.name} had forgotten {a.own} {t.n}.", "{a.name} looked into {a.own} bag. There {t.was} no {t.n}!")
        s.give("b", "a", "t")
        s.say("{b.name}, who sat next to {a.him}, [smiled|whispered] and gave {a.name} {t.a}.",
              '"You can use mine," said {b.name} and gave {a.name} {t.a}.')
        s.ask("What did {b} give {a}?", "{b} gave {a} {t.a}.")
    else:
        s.say("At lunch, {a.name} sat alone. Then {b.name} came with {b.own} lunch box. \"May I sit here?\"",
              "In the break, {a.name} stood by the wall. {b.name} came over. \"Do you want to [play|{likes}]?\"")
        s.ask("Who came to {a}?", "{b} came to {a}.")
    s.say("They found out that they both liked {liking}.", '"I was scared on my first day too," said {b.name}.')
    s.say("After school, [they walked home together|Mom asked, \"How was it?\" \"I have a new friend!\" said {a.name}].",
          "When the bell rang, {a.name} did not want to go home.")
    s.ending(s.rng.choice((None, "brave")), "b")


def night_fear(s):
    s.child("a")
    s.elder("e")
    s.opening("a")
    s.leave("e")
    noise = s.rng.choice((("a scratching sound", "a branch at the window"), ("a soft tap, tap, tap", "the rain on the "
                         "roof"), ("a long whooo", "an owl in the tree"), ("a dark shape", "a coat on a chair"),
                         ("two shining eyes", "the cat on the shelf"), ("a creak", "the old stairs"),
                         ("a tall shadow", "the curtain in the wind"), ("a squeak", "a tiny mouse"),
                         ("a rumble", "a cart on the road"), ("a low growl", "a dog that snored")))
    s.set(n=noise[0], r=noise[1])
    s.say("[One night|It was late, and|One dark night], {a} lay in bed. It was very [dark|quiet|late].",
          "{a} did not like the dark. [Every|One] night, {a.he} [pulled the blanket up to {a.own} nose|left the lamp "
          "on|asked for one more story].")
    s.say("[Then|Suddenly], there was {n}!", "{a} [saw|noticed] {n}!" if "shape" in noise[0] or "eyes" in noise[0] or
          "shadow" in noise[0] else "{a} heard {n}!")
    s.feel("a", "scared")
    s.say('"[Is it a monster|Who is there|What is that]?" {a} [whispered|asked].', "{a} thought of [monsters|ghosts|"
          "dragons|wolves] and could not sleep.")
    s.ask("What scared {a}?", "{n} scared {a}.")
    s.par()
    if s.rng.random() < 0.6:
        s.enter("e")
        s.say("{a} called, and {e.name} came with a [lamp|candle|flashlight].", "{e.name} opened the door. \"[What is "
              "it|Can you not sleep]?\"")
        s.say('"[Let us look together|We will see what it is|Come, take my hand]," said {e.name}.'
              if not s.is_animal else '"Let us look together," said {e.name}.')
        s.say("They [looked|went] and found {r}. That was all!", "It was only {r}. They both laughed.")
    else:
        s.say("{a} took [a deep breath|{a.own} flashlight|{a.own} courage in both hands]. {a.he} [got up|crept to the "
              "window|turned on the lamp].")
        s.say("It was only {r}! {a} laughed out loud.", "And what did {a} see? {r}! [Nothing else|That was all].")
    s.ask("What was it really?", "It was {r}.")
    s.say("{a} [went back to bed|crawled under the blanket] and [counted stars|listened to it like a song|closed "
          "{a.own} eyes].", '"Good night," {a.name} [whispered|said|told the dark].')
    s.ending("brave")


def sick_friend(s):
    s.child("a")
    s.child("b")
    s.opening("a")
    s.leave("b")
    s.say("{@time}, {a} waited for {b.name}, but {b.name} did not come.", "{a} and {b.name} wanted to {likes}. But "
          "{b.name} [stayed in bed|did not come out].")
    s.enter("b")
    s.set(ill=s.rng.choice(("a cold", "a fever", "a sore throat", "a tummy ache", "a cough", "a toothache", "spots on "
                            "{b.own} face", "a hurt foot")).replace("{b.own}", "her" if s.roles["b"].sex == "f" else
                                                                     "his"))
    s.say("{b.name} had {ill}.", '"I have {ill}," said {b.name} [sadly|from the bed|in a small voice].')
    s.ask("What was wrong with {b}?", "{b} had {ill}.")
    gift = s.rng.choice(("soup", "flowers", "a picture", "a book", "some honey", "a song", "lemons", "a funny hat",
                         "a story", "a warm blanket"))
    s.set(gift=gift)
    s.say("{a} [thought about it|went home]. \"What would make {b.name} feel better?\"",
          '"I will bring you something," said {a.name}.')
    s.say("[Soon|In the afternoon], {a} came back with {gift}.", "{a} [ran|walked through the rain] and brought {gift}.")
    s.ask("What did {a} bring?", "{a} brought {gift}.")
    s.par()
    s.feel("b", "happy")
    s.say("They [could not play outside|had to be quiet], so {a.name} [sat by the bed|told jokes|made shadow animals on "
          "the wall|read aloud].", "{a.name} told {b.name} about [the day|a frog in the pond|a cloud like a fish|the "
          "new baby goat].")
    s.say("{b.name} laughed [so much|for the first time that day].", "{b.name} [fell asleep|slept well], and {a.name} "
          "went out on [tiptoe|quiet feet].")
    s.say("[Two|Three|Four] days later, {b.name} was well again. [Now they could {likes}|They ran outside].",
          "[After a few days|On {@day}], {b.name} [jumped out of bed|felt fine].")
    s.thanks("b", "a")
    s.ending("help", "b")


def learn_skill(s):
    s.child("a")
    s.elder("e")
    s.opening("a")
    skill = s.rng.choice((
        ("ride a bicycle", "rode", "fell off", "keep looking ahead"), ("swim", "swam", "swallowed water", "kick with "
         "both legs"), ("whistle", "whistled", "only blew air", "make your lips round"), ("tie a bow", "tied a bow",
         "made a knot", "make two loops"), ("skate", "skated", "slipped", "bend your knees"), ("climb a tree", "climbed",
         "slid down", "hold on with both hands"), ("row a boat", "rowed", "went in circles", "pull both sides the same"),
        ("play the flute", "played a tune", "made a squeak", "blow softly"), ("juggle", "juggled", "dropped all the "
         "balls", "throw them high"), ("read", "read a whole page", "mixed up the letters", "go one word at a time"),
        ("knit", "knitted a scarf", "lost a stitch", "count every row"), ("dive", "dived", "landed on the tummy", "put "
         "your head down"), ("paddle", "paddled", "tipped over", "sit in the middle"), ("catch a ball", "caught it",
         "missed it", "watch the ball")))
    if s.is_animal:
        skill = s.rng.choice((("swim", "swam", "swallowed water", "kick with both legs"), ("climb a tree", "climbed",
                              "slid down", "hold on tight"), ("dig", "dug a tunnel", "got dirt in both eyes", "use your "
                              "front paws"), ("hop over a log", "hopped over", "bumped into it", "jump a little sooner"),
                              ("catch a ball", "caught it", "missed it", "watch the ball"), ("whistle", "whistled",
                              "only blew air", "make your lips round"), ("sing", "sang a whole song", "sounded like a "
                              "frog", "open your mouth wide")))
    s.set(do=skill[0], did=skill[1], fail=skill[2], tip=skill[3])
    s.say("[All the others|All {a.his} friends|Everyone] could {do}, but {a} could not.", "More than anything, {a} wanted "
          "to learn to {do}.")
    s.ask("What did {a} want to learn?", "{a} wanted to learn to {do}.")
    s.say("{@time}, {a} tried. But {a.he} {fail}.", "The first time, {a} {fail}.")
    s.say("{a} tried again and {fail} again.", "[The second time was no better|It happened again and again].",
          '"[I will never learn it|It is too hard|I am no good at this]," said {a}.')
    s.feel("a", "sad")
    s.par()
    s.say("{e.name} was watching. \"[I could not do it either when I was small|It took me a "
          "long time too|Everybody starts like that].\"")
    s.say('"{tip}," said {e.name}.', "{e.name} showed {a.name} how. \"{tip}.\"")
    s.ask("Who gave {a} a tip?", "{e} gave {a} a tip.")
    s.say("{a.name} practiced [every day|all week|until the sun went down].", "[Day after day|Again and again], {a.name} "
          "tried. {e.name} [cheered|helped|smiled].")
    s.say("[Then, one day|On the fifth day|At last], {a.name} {did}!", "And then it happened. {a.name} {did}!")
    s.say('"[Look|I can do it|Did you see that]!" {@cry} {a.name}.')
    s.feel("a", "proud")
    s.ending("try", "e")


def greedy(s):
    s.child("a")
    s.opening("a")
    food = s.rng.choice(w.FOODS)
    n = s.rng.randint(6, 20)
    s.set(f=food, fs=plural(food), n=w.NUMBERS[n])
    s.say("{@time}, there was a [big |]bowl with {n} {fs} on the table.", "{@time}, {a} [found|saw] a basket with {n} "
          "{fs}.")
    s.say('"[One is not enough|Just one|They look so good]," {a} thought and ate one. Then {a.he} ate another one.',
          "{a} ate one {f}. Then {a.he} ate two more. Then three.")
    s.elder("e")
    s.say('"[Not too many|Keep some for later|Save some for the others]," said {e.name}. But {a.name} did not listen.',
          "{e.name} had said to wait for supper. {a.name} did not wait.")
    s.say("Soon the [bowl|basket] was empty.", "At last, not one {f} was left.")
    s.ask("What did {a} eat?", "{a} ate {n} {fs}.")
    s.say("[Then|Before long], {a.his} tummy began to hurt.", '"Ooh, my tummy," said {a.name}.')
    s.par()
    s.say("{a.name} had to lie down [all afternoon|on the sofa|in bed], while the others [played|{p}].".replace(
        "{p}", s.rng.choice(w.GAMES)[1]))
    s.say("{e.name} brought {a.him} [mint tea|warm water|a blanket]. \"[Too much is too much|Now you know|Next time, "
          "share].\"", "{e.name} shook {e.own} head "
          "and brought some [mint tea|warm water].")
    s.say("The next day, {a.name} [picked|bought|baked] new {fs} for everyone.", '"Next time I will eat [one|two] and '
          'share the rest," said {a.name}.')
    s.ending("share", "e")


def show(s):
    s.child("a")
    s.child("b")
    s.opening("a")
    act = s.rng.choice((("a play", "the [king|queen|dragon|moon]"), ("a concert", "the [drum|flute|bell|violin]"),
                        ("a circus", "the [clown|lion|juggler]"), ("a puppet show", "the [fox|witch|prince]"),
                        ("a dance", "the [star|snowflake|bee]"), ("a magic show", "the [magician|helper]")))
    s.set(k=act[0], part=s.rng.choice(act[1][5:-1].split("|")))
    s.say("{@time}, {a} and {b.name} decided to put on {k}.", '"Let us put on {k}!" said {b.name} to {a.him} {@time}.')
    s.ask("What did they put on?", "They put on {k}.")
    s.say("{b.name} [made|painted] the tickets, and {a.name} [hung up a curtain|made the costumes|put out the chairs].",
          "They made [costumes from old sheets|masks of paper|a stage of boxes] and practiced [for days|every evening].")
    s.say("{a.name} had to be the {part}.", '"I want to be the {part}," said {a.name}.' if act[0] != "a concert" else
          "{a.name} had to play the {part}.")
    s.par()
    s.say("[On {@day}|Then], everyone came: [family, friends and even the mail carrier|all the neighbors|the whole "
          "street]." if not s.is_animal else "Then everyone from the [forest|meadow|hill] came.")
    s.feel("a", "scared")
    s.say("{a.name} [forgot every word|could not move|dropped {a.own} hat]. It was very quiet.",
          "In the middle, {a.name} [tripped|forgot what came next|sneezed very loudly].")
    s.say("{b.name} [whispered the words|winked and took {a.his} hand|began to clap]." if not s.is_animal else
          "{b.name} whispered the next words.", "{b.name} made a funny face, and {a.name} had to laugh.")
    s.ask("Who helped {a}?", "{b} helped {a}.")
    s.say("Then it went [well|better and better]. [Everyone|All of them] [clapped|laughed|cheered] at the end.",
          "After that it was easy. They bowed [three|four|five] times.")
    s.feel("a", "proud")
    s.ending(s.rng.choice(("brave", "help")), "b")


def clean_room(s):
    s.is_animal = False
    s.child("a")
    s.elder("e")
    s.opening("a")
    t = s.thing("t", "a")
    s.say("{a.his} room was a mess. There were [socks|books|toys|papers] on the floor and [crumbs|a shoe|an old "
          "sandwich] on the bed.", "{a} never put things away. The floor was full of [blocks|paper|clothes].")
    s.say('"Please clean up your room," said {e.name} {@time}. "[Later|Not now|I am too tired]," said {a.name}.')
    s.lose("t", "under the bed")
    s.say("Then {a.name} wanted {a.own} {t.full}. But where {t.was} {t.they}?", "The next day, {a.name} needed {t}. "
          "{a.he} could not find {t.it}.")
    s.ask("What did {a} look for?", "{a} looked for {t.thefull}.")
    s.say("{a.name} looked [under the pillow|behind the curtain|in the closet]. There was only [dust|a lost "
          "sock|an old drawing|a broken crayon].")
    s.par()
    s.say('"[If you clean up, you may find it|Start in one corner|I will help you with the books]," said {e.name}.'
          .replace("find it", "find {t.it}"))
    s.say("So {a.name} put the books on the shelf, the toys in the box and the clothes in the closet.",
          "First {a.name} picked up the [clothes|blocks]. Then {a.he} swept the floor.")
    s.take("a", "t")
    s.say("And under the bed, behind [a shoe|a box], {t.was} {t.thefull}!", "[At last|Suddenly], {a.name} saw something "
          "under the bed. {t.they} {t.was} there!")
    s.ask("Where {t.was} {t.thefull}?", "{t.thefull} {t.was} under the bed.")
    s.feel("a", "happy")
    s.say("Now the room looked [bright|twice as big|like new]. {e.name} [smiled|was proud].")
    s.ending("care", "e")


def snow_day(s):
    s.child("a")
    s.child("b")
    s.opening("a")
    s.say("One winter morning, {a} looked out. Everything was white. It had snowed all night.",
          "It was January, and the snow was as high as a [table|fence].")
    s.say("{a} put on {a.own} [{@color} |]coat, hat and mittens and ran to {b.name}." if not s.is_animal else
          "{a} ran to {b.name} through the deep snow.")
    s.say("They [slid down the hill|threw snowballs|made angels in the snow|ate icicles].", "They walked over the frozen "
          "[pond|lake|brook] and saw the tracks of a [bird|fox|hare|deer].")
    trouble = s.rng.choice((("a small bird that was cold", "put it in a warm box with seeds"), ("a rabbit stuck in the "
                           "snow", "dug it out with their hands"), ("an old lady who could not open her door", "shoveled"
                           " the path"), ("a sled that was stuck", "pulled it out"), ("a lost mitten", "hung it on a "
                           "fence"), ("a hungry deer", "brought it some hay")))
    s.set(who=trouble[0], did=trouble[1])
    s.par()
    s.say("[Then|Suddenly], they saw {who}.", '"Look!" said {b.name}. There was {who}.')
    s.ask("What did they see in the snow?", "They saw {who}.")
    s.say("They {did}.", '"We must help," said {a.name}. So they {did}.' if "mitten" not in trouble[0] else
          '"Somebody will look for it," said {a.name}. So they {did}.')
    s.ask("What did they do?", "They {did}.")
    s.say("Their [noses|feet|ears] were cold, so they went in and [drank {@drink}|sat by the fire|ate {@dish}].")
    s.ending(s.rng.choice((None, "help")), "b")


SCHEMAS = [weather_spoils, weather_spoils, baking, baking, trip, contest, contest, garden, school, night_fear,
           sick_friend, learn_skill, learn_skill, greedy, show, clean_room, snow_day]
