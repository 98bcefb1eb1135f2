"""stories_friends - schemas about others: helping, pets, new neighbors, secrets, being lost."""
import words as w
from stories_things import plural


def stuck_friend(s):
    s.child("a")
    b = s.pet("b", s.rng.choice(("cat", "dog", "rabbit", "duck", "kitten", "puppy"))) if not s.is_animal else \
        s.child("b")
    s.opening("a")
    s.at("p", "park forest meadow river lake orchard garden farm".split())
    trap = s.rng.choice((("up in a tall tree", "climb down", "a ladder", "tree"), ("in a deep hole", "get out",
                        "a rope", "hole"), ("under a fallen branch", "move", "a long stick", "branch"), ("between two "
                        "rocks", "get free", "a strong pole", "rocks"), ("on a stone in the water", "swim back",
                        "a wide board", "water"), ("in a thorn bush", "come out", "a pair of gloves", "bush"),
                        ("on the roof", "jump down", "a big blanket", "roof"), ("in an old net", "get loose",
                        "a pair of scissors", "net")))
    s.set(where=trap[0], way=trap[1], tool=trap[2], it=trap[3])
    s.say("{@time}, {a} was {p.at}. {a.he} heard somebody [cry|call for help].", "{@time}, {a} was walking {p.to} "
          "when there was a [small|sad|loud] cry.")
    s.say("It was {b.name}, the {b.noun}. {b.he} was stuck {where}!", "A {b.noun} named {b.name} was stuck {where} and "
          "could not {way}.")
    s.ask("Who was stuck?", "{b} was stuck.")
    s.ask("Where was {b} stuck?", "{b} was stuck {where}.")
    s.feel("b", "scared")
    s.say('"[Do not be afraid|Hold on|Stay calm], {b.name}! I will help you," {a} called.', "{a} wanted to help at once.")
    s.par()
    s.say("First {a} [called softly|held out a {@food}|whistled], but {b.name} did not dare to move.",
          "{a} tried to reach {b.name} with both arms. {a.he} was too [small|short].")
    if s.rng.random() < 0.6:
        s.elder("e")
        s.say("So {a.name} ran to {e.name}. \"[Please come|Come quickly]! {b.name} is stuck {where}!\"")
        s.say("{e.name} [came|hurried] with {tool}.", '"We need {tool}," said {e.name} and brought it.'
              if "pair" not in trap[2] else '"We need {tool}," said {e.name}.')
        s.ask("Who came to help?", "{e} came to help.")
    else:
        s.say("Then {a.name} [found|saw|remembered] {tool}. [That was it|Just the right thing]!",
              '"I need {tool}," thought {a.name} and ran to get it.' if "pair" not in trap[2] else
              '"I need {tool}," thought {a.name}.')
    s.ask("What did they use?", "They used {tool}.")
    s.say("[Slowly and carefully|Step by step|With {tool}], {b.name} could {way} at last.",
          "It took a long time, but then {b.name} was free.")
    s.say("{b.name} [licked {a.his} hand|jumped into {a.his} arms]." if not s.is_animal else '"You saved me!" said {b.name}.',
          "{b.name} [was safe|ran around in circles|was so {@happy}].")
    s.ending("help", "b")


def new_pet(s):
    s.is_animal = False
    s.child("a")
    s.elder("e")
    s.opening("a")
    s.pet("q")
    row = next((r for r in w.ANIMALS if r[0] == s.roles["q"].noun), None)
    eats = row[3 + 1] if row else "warm milk"
    s.set(eats=eats, c=s.rng.choice(w.words("brown black white gray golden spotted")), spot=s.rng.choice(("with white paws", "with big eyes", "with a spot "
          "on its nose", "that was very small", "with soft ears", "that was always hungry")))
    s.say("{a} [wanted|wished for] a {q.noun} [more than anything|for a long time|every birthday].",
          '"May I have a {q.noun}?" {a} asked every day.')
    s.leave("q")
    s.say('"A pet is [a lot of|hard] work," said {e.name}. "[You must feed it every day|Are you ready for that|You must '
          'take good care of it]."')
    s.say("{@time}, {e.name} came home with a [box|basket]. [Something moved in it|It made a small sound].",
          "On {@day}, {a.name} and {e.name} went to a farm to [look|see the animals].")
    s.enter("q")
    s.say("There was a {c} {q.noun} {spot}!", "{a} saw a {c} {q.noun} {spot}. It looked right at {a.him}.")
    s.say('"I will call {q.him} {q.name}," said {a.name}.'.replace("{q.him}", "you"), "{a.name} named the {q.noun} "
          "{q.name}.")
    s.ask("What pet did {a} get?", "{a} got a {q.noun}.")
    s.ask("What was the pet's name?", "The pet's name was {q}.")
    s.par()
    s.say("{a.name} gave {q.name} {eats} and [a soft bed|fresh water|an old blanket].", "Every morning, {a.name} "
          "brought {eats} for {q.name}.")
    trouble = s.rng.choice(("chewed a shoe", "hid under the sofa all day", "made a puddle on the rug", "would not eat",
                            "ran out of the gate", "pulled down the curtain", "cried all night", "ate {e.name}'s hat"))
    s.set(tr=s.fill(trouble, False)[0].lower() + s.fill(trouble, False)[1:])
    s.say("But {q.name} {tr}.", "[One day|On the second day], {q.name} {tr}.")
    s.ask("What did {q} do?", "{q} {tr}.")
    s.say("{a} was not angry. \"[You are still little|You have to learn|Everything is new for you],\" {a.he} said.",
          "{a} [sat on the floor and waited|spoke softly|sang to {q.name}|stayed close to {q.name}].")
    s.say("[After a while|In the evening], {q.name} [came and sat in {a.his} lap|fell asleep beside {a.him}|put its nose "
          "in {a.his} hand].")
    s.ending(s.rng.choice((None, "patient", "care")), "q")


def secret_party(s):
    a, b = s.child("a"), s.child("b")
    c = s.child("c")
    s.opening("a")
    s.say("{a} had a secret. It was {b.name}'s birthday, and there would be a surprise party.",
          '"[Psst|Listen], {c.name}," said {a.name} {@time}. "[Let us make a party for {b.name}|I have a secret]."')
    s.say("{c.name} [baked a cake|blew up balloons|wrote a song], and {a.name} [hung up {@color} paper|called everyone|"
          "made a crown].", "They hid the [presents|cake|balloons] [in the closet|in the shed|under the stairs]."
          if not s.is_animal else "They hid the cake [under some leaves|in a hollow log].")
    s.ask("Who was the party for?", "The party was for {b}.")
    s.ask("Who helped {a} with the party?", "{c} helped {a} with the party.")
    s.say("{b.name} asked, \"[What are you doing|Why do you whisper|Do you want to {likes}]?\" \"[Nothing|Not now|Later],\" "
          "said {a.name}.", "{b.name} saw them whisper. When {b.he} came closer, they stopped.")
    s.feel("b", "sad")
    s.say('"[They do not like me any more|Nobody wants to play with me|They forgot my birthday]," {b.name} thought.')
    s.par()
    s.say("In the [evening|afternoon], {b.name} opened the door. [It was dark|All was still].", "Then {c.name} came and "
          "said, \"[Please come with me|I need your help]!\"")
    s.say('"Surprise!" [they all shouted|called {a.name} and {c.name}].')
    s.say("{b.name} [could not speak|laughed and cried at once|jumped]. \"[You did all this for me|I thought you forgot|"
          "So that was the secret]!\"")
    s.say("They [ate cake|danced|sang|played games] until [the moon came up|late|the candles burned down].")
    s.ending(None, "b")


def lost_way(s):
    s.child("a")
    s.opening("a")
    s.at("p", ["forest", "meadow", "mountain", "market", "fair", "harbor"] if not s.is_animal else
         ["forest", "meadow", "mountain", "hill"])
    s.set(saw=s.rng.choice(("a {@color} butterfly", "a shiny beetle", "a rabbit", "a funny cloud", "a row of ants",
                            "a bird with a {@color} tail", "a rolling {@food}")))
    s.set(saw=s.fill(s.roles["saw"], False)[0].lower() + s.fill(s.roles["saw"], False)[1:])
    s.say("{@time}, {a} was {p.at} and followed {saw}.", "{@time}, {a} saw {saw} {p.at} and ran after it.")
    s.ask("What did {a} follow?", "{a} followed {saw}.")
    s.say("{a} went [left, then right|on and on|farther and farther]. When {a.he} stopped, [nothing looked the same|the "
          "path was gone|{a.he} did not know the way].")
    s.feel("a", "scared")
    s.say('"[Where am I|How do I get home|Which way is home]?" {a} asked.', "It was getting [late|dark|cold].")
    s.par()
    guide = s.rng.random()
    if guide < 0.4:
        s.worker("m", s.rng.choice(("shepherd", "fisherman", "mail carrier", "beekeeper", "farmer"))) if not s.is_animal \
            else s.elder("m")
        s.say("Then {a.name} met {m.name}. \"[Are you lost|Where do you live|Why are you alone]?\" {m.name} asked.")
        s.say('"I live [near the mill|behind the school|by the big oak|next to the bakery]," said {a.name}.')
        s.say('"[I am going that way|Follow the brook|I know the way]," said {m.name}, and they walked together.')
        s.ask("Who showed {a} the way?", "{m} showed {a} the way.")
    elif guide < 0.7:
        s.say("{a} [climbed a hill|climbed onto a rock|sat down and listened]. Far away, {a.he} [saw smoke from a "
              "chimney|heard the church bell|saw the old windmill|heard the river].")
        s.say('"[That is near home|I know that place|I only have to follow it]!" said {a}.')
    else:
        q = s.child("q") if s.is_animal else s.pet("q", s.rng.choice(("dog", "cat", "crow", "horse")))
        s.say("A {q.noun} named {q.name} came [along|out of the bushes|closer]. {q.name} [turned and looked back|waited until {a.name} "
              "came].")
        s.say("{a.name} followed {q.name} [over a bridge|through the tall grass|past the pond] and [around a hill|along a "
              "wall].")
        s.ask("Who showed {a} the way?", "{q} showed {a} the way.")
    s.say("[Soon|At last|When the stars came out], {a.name} saw the [lights|roof|door] of home.",
          "And there was home, with a light in the window!")
    s.say("[Everyone was so glad|There was a big hug and {@dish}|\"We looked for you everywhere!\" they all said].")
    s.ending("brave")


def new_neighbor(s):
    s.child("a")
    s.child("b")
    s.opening("a")
    s.say("{@time}, a [new family|new {b.noun}] moved in next door. {a} [looked over the fence|watched from the window|was "
          "very curious].", "{@time}, there were boxes in front of the next house. [Somebody was moving in|A new {b.noun} "
          "had come]." if not s.is_animal else "{@time}, somebody moved into the empty den near by.")
    s.say("The new {b.noun}'s name was {b.name}. {b.name} was {@trait} and [did not say much|sat all alone|stayed inside].",
          "{b.name}, the new {b.noun}, [hid behind the door|looked at the ground|did not smile].")
    s.ask("Who was new?", "{b} was new.")
    s.say('"Hello! [Do you want to play|I am {a.name}|What is your name]?" {a.name} [called|asked]. {b.name} [did not '
          'answer|ran inside].')
    s.say('{a} [was puzzled|was sad at first]. "[Maybe {b.name} is shy|Maybe {b.name} misses the old home|I will try '
          'again]," {a.he} said.')
    gift = s.rng.choice(("a basket of {@food} cake", "a drawing of the street", "some flowers", "a paper boat with a "
                         "letter in it", "a jar of honey", "a {@color} stone", "a bag of nuts", "a warm loaf of bread"))
    gift = s.fill(gift, False)
    s.set(g=gift[0].lower() + gift[1:])
    s.say("The next day, {a} brought {g} and [knocked|left it at the door].", "So {a} put {g} in front of the door and "
          "[waited|hid].")
    s.ask("What did {a} bring to {b}?", "{a} brought {g}.")
    s.par()
    s.say("The door opened a little. {b.name} saw {g} and [smiled|laughed].", "{b.name} came out. \"Is this for me?\" "
          "{b.he} asked.")
    s.say('"[I do not know anybody here|I miss my old friends|I thought nobody would like me]," said {b.name}.')
    s.say('"[Now you know me|You can play with me|Come, I will show you everything]," said {a.name}.')
    s.say("{a.name} showed {b.name} the [pond|best tree|secret path|playground] and the [hens|old well|hollow log|swing].")
    s.say("[It turned out that both|They found out that they both] liked {liking}.")
    s.ending("help", "b")


def rescue(s):
    s.child("a")
    s.opening("a")
    q = s.pet("q", s.rng.choice(("bird", "owl", "duck", "hedgehog", "squirrel", "turtle", "swan", "mouse", "bee",
                                 "butterfly", "frog")))
    s.used_names.add(q.noun)
    s.leave("q")
    s.at("p", w.OUTDOOR)
    s.spots(1)
    hurt = {"bird": "a hurt wing", "owl": "a hurt wing", "duck": "a hurt foot", "swan": "a hurt wing", "bee": "wet wings",
            "butterfly": "a bent wing"}.get(q.noun, "a hurt leg")
    s.set(hurt=hurt, qa=article(q.noun), qn=q.noun)
    s.say("{@time}, {a} found {qa} {s1} {p.at}. It had {hurt}.", "{@time}, {a} was {p.at}. There, {s1}, sat {qa} with "
          "{hurt}.")
    s.ask("What did {a} find?", "{a} found {qa} with {hurt}.")
    s.say('"[Poor little thing|Oh, you are hurt|Do not be afraid]," {a} [whispered|said softly].')
    s.say("{a} [carried it home in a hat|put it in a basket|made a nest of grass for it] and [gave it water|kept it warm].")
    s.enter("q")
    s.say("{a} called it {q.name}.", '"I will call you {q.name}," {a} said.')
    if s.rng.random() < 0.5:
        s.elder("e")
        s.say("{e.name} [looked at it|came to see]. \"[It needs rest|Give it time|You did the right thing],\" {e.he} said.")
    s.par()
    s.say("Every day, {a.name} [fed|looked after|sat with] {q.name}.", "For [a week|ten days|two weeks], {a.name} took "
          "care of {q.name}.")
    s.say("[Slowly|Day by day], {q.name} grew stronger.", "{q.name} ate more and more and [made happy sounds|looked "
          "around].")
    s.say("Then it was time to say goodbye. {a} was sad, but {a.he} [opened the window|opened the basket|took {q.name} "
          "back {p.to}].")
    s.leave("q")
    s.say("{q.name} [turned around once|looked back] and was gone.")
    s.say("[The next spring|Some weeks later|One morning], {a} [saw|heard] {q.name} again. {q.name} had [come to say "
          "hello|brought a friend|three little ones].")
    s.ending(s.rng.choice(("help", "patient")))


def article(noun):
    return ("an " if noun[0] in "aeio" else "a ") + noun


def crossing(s):
    s.is_animal = True
    s.child("a")
    s.child("b")
    s.opening("a")
    s.set(goal=s.rng.choice(("the berries", "the sweet apples", "the old mill", "the clover field", "the big nut tree",
                             "the party", "the honey tree")),
          how=s.rng.choice(("a log", "a big leaf", "an old door", "a row of stones", "a basket", "a long branch")))
    s.say("{a} and {b.name} wanted to get to {goal}. But [a river|a brook|a wide pond] was in the way.",
          "{goal} {x} on the other side of the river. {a} and {b.name} had no boat.".replace(
              "{x}", "were" if s.roles["goal"].endswith(("berries", "apples")) else "was"))
    s.ask("Where did {a} and {b} want to go?", "They wanted to get to {goal}.")
    s.say('"[I cannot swim|The water is too deep|It is too cold]," said {a.name}.')
    s.say("{b.name} tried to [jump|build a dam|throw a rope], but [fell in with a splash|that did not work].")
    s.say("They [sat down and thought|looked around|walked up and down].")
    s.elder("e")
    s.say("{e.name} [came by|was resting near by]. \"[Use what you have|Sometimes the answer is right beside you|Two heads "
          "are better than one],\" {e.he} said.")
    s.par()
    s.say("Then {b.name} saw {how}. \"[We can use that|That is our bridge]!\"", '"Look, {how}!" said {a.name}.')
    s.ask("What did they use?", "They used {how}.")
    s.say("{a.name} [pushed|held it tight], and {b.name} [pulled|went first].", "One after the other, they [crossed|went "
          "over], very slowly.")
    s.say("Their feet got wet, but they [made it|were across|did not fall in].")
    s.say("There was {goal}! [They danced|They shouted|They ate and laughed].".replace(
        "was", "were" if s.roles["goal"].endswith(("berries", "apples")) else "was"))
    s.ending(s.rng.choice(("help", "try")), "b")


def job_day(s):
    s.is_animal = False
    s.child("a")
    s.opening("a")
    row = s.rng.choice([r for r in w.JOBS if r[0] not in ("astronaut", "pilot", "singer", "writer")])
    s.worker("m", row[0])
    s.set(job=row[0], does=row[1], where=row[2])
    s.say("{a} wanted to know what {j} does.".replace("{j}", article(row[0])), "{@time}, {a} visited {m.name} {where}.")
    s.say('"I {does2}," said {m.name}. "[Do you want to help?|Come and see!|Would you like to try?]"'.replace(
        "{does2}", verb_base(row[1])), "{m.name} showed {a.name} everything. {m.he} {does}, day after day."
        if s.roles["m"].sex != s.roles["a"].sex else "{m.name} {does}, day after day.")
    s.ask("Who did {a} visit?", "{a} visited {m}.")
    s.ask("What does " + article(row[0]) + " do?", article(row[0]).capitalize() + " " + row[1] + ".")
    s.say("{a.name} got [an apron|a hat|a pair of gloves|a little chair] that was much too [big|small].",
          "There was a lot to do. The day began at [five|six|seven] o'clock.")
    s.say("At first, {a.name} [made a mess|dropped something|got in the way|asked too many questions]. {m.name} only "
          "[laughed|smiled].")
    s.par()
    s.say("Then something [went wrong|happened]. {m.name} [lost a tool|had too much work|forgot something|hurt a finger].")
    s.say('"[I can do that|Let me help|I know what to do]!" said {a.name}.')
    s.say("{a.name} [ran for help|found the tool|did the easy part|held everything steady], and soon all was well.",
          "{a.name} worked [hard|carefully] beside {m.name} until everything was done.")
    s.say('"[You are a real {job}|I could not do it without you|Come again]," said {m.name}.')
    s.maybe(0.7, "{m.name} gave {a.him} [a coin|a {@food}|{@drink}|a little hat].")
    s.say('"When I grow up, I [want to be {j}|will be {j} too]," {a.name} said.'.replace("{j}", article(row[0])))
    s.ask("What did {a} want to be?", "{a} wanted to be " + article(row[0]) + ".")
    s.ending(s.rng.choice((None, "help")))


def verb_base(text):
    """'bakes bread and cakes' as somebody says it of himself: 'bake bread and cakes'."""
    def base(verb):
        if verb in ("teaches", "catches"):
            return verb[:-2]
        return "fly" if verb == "flies" else verb[:-1]
    first, rest = text.split(" ", 1)
    return base(first) + " " + rest.replace("and feeds", "and feed")


def quarrel(s):
    a, b = s.child("a"), s.child("b")
    s.opening("a")
    s.say("{b.name} was {a.his} best friend. They {x} together every day.".replace("{x}", s.rng.choice(w.GAMES)[1]))
    s.set(g=s.rng.choice(w.GAMES)[0], g2=s.rng.choice(w.GAMES)[0])
    s.say("{@time}, {a.name} wanted to {g}, but {b.name} wanted to {g2}.",
          '"[Let us|I want to] {g}," said {a.name}. "No, [let us|I want to] {g2}," said {b.name}.')
    s.ask("What did {a} want to do?", "{a} wanted to {g}.")
    s.ask("What did {b} want to do?", "{b} wanted to {g2}.")
    s.say('"You [always decide|never listen|always get your way]!" {a.name} shouted. "[Then play alone|I am going home]!" said {b.name}.')
    s.leave("b")
    s.say("{b.name} went home and [slammed the door|did not look back].")
    s.say("{a} {did} alone. It was [no fun|boring|not the same].".replace("{did}", "tried to {g}"),
          "The day was very long. {a} [kicked a stone|looked at the clock|sat on the steps].")
    s.feel("a", "sad")
    s.par()
    s.say("The next morning, {a} [wrote a little letter|picked some flowers|baked {@food} cookies|made a {@color} paper "
          "heart] for {b.name}.", '"[I miss {b.name}|I was not nice|I should say sorry]," {a} thought.')
    s.say("{a} went to {b.name}'s house. But {b.name} was already at the gate!")
    s.enter("b")
    s.say('"I am sorry," they both said at the same time. Then they [laughed|hugged].')
    s.say("First they {x}, and then they {y}.".replace("{x}", past(s.roles["g"])).replace("{y}", past(s.roles["g2"])),
          '"Today we do your game, and tomorrow mine," said {a.name}.')
    s.ending("share", "b")


def past(game):
    return next(r[1] for r in w.GAMES if r[0] == game)


def lonely_giant(s):
    s.child("a")
    s.opening("a")
    big = s.rng.choice((("dragon", "a cave"), ("giant", "a tower"), ("troll", "a bridge"), ("bear", "a den"), ("witch",
                       "a crooked house"), ("robot", "an old factory"), ("ghost", "a ruined castle"), ("whale", "a quiet "
                       "bay"), ("wizard", "a stone tower")))
    s.set(g=big[0], home=big[1])
    s.say("Near {a.his} home there was {home}. Everyone said that a [terrible|wild|mean] {g} lived there.",
          "People told stories about {g2}. Nobody went near {home}.".replace("{g2}", article(big[0])))
    s.ask("Who lived in {home}?" if "bridge" not in big[1] else "Who lived at {home}?", article(big[0]).capitalize() +
          (" lived in {home}." if "bridge" not in big[1] else " lived at {home}."))
    s.say("{@time}, {a} heard somebody [crying|singing a sad song|sighing] there. {a.he} [went closer|crept near|looked "
          "in].")
    s.feel("a", "scared")
    s.say("But the {g} [was only sad|had big tears in its eyes|held a broken {x}].".replace("{x}", s.rng.choice(
        ("cup", "toy", "flute", "flower pot"))), "There sat the {g}, all alone, with [a cold soup|no fire|an old book].")
    s.say('"Why [are you sad|do you cry]?" asked {a}. "[Everybody runs away from me|Nobody visits me|I have no friends]," '
          "said the {g}.")
    s.par()
    s.say('"I will [stay|be your friend|play with you]," said {a}. "[Do you like riddles|Do you like {@food} cake|Can you '
          '{likes}]?"')
    s.say("They {x} until the [sun went down|stars came out].".replace("{x}", s.rng.choice(w.GAMES)[1]),
          "The {g} [knew many stories|could cook {@dish}|had a very kind voice|laughed like thunder].")
    s.say("The next day, {a} brought [all the others|some friends]. At first they were {@scared}. But the {g} [made {@drink} "
          "for everyone|showed them a trick|gave them a ride].")
    s.say("Soon nobody was afraid of the {g} any more.")
    s.ask("Why was the {g} sad?", "The {g} had no friends.")
    s.ending(s.rng.choice(("brave", "help")))


def letter(s):
    s.child("a")
    s.elder("e")
    s.opening("a")
    s.leave("e")
    s.say("{a} missed {e.name}, who lived far away.", "{e.name} lived [on the other side of the hill|far away by the sea|in "
          "another town], and {a} missed {e.name} very much.")
    t = s.thing("t", "a", nouns="shell feather scarf book map whistle bell medal cup".split())
    s.say("{@time}, {a} wrote a letter. It said, \"[I miss you|Please come and visit me|I can {likes} now|I lost a tooth].\"")
    s.say("{a} put {t.a} into the envelope too. It was a very thick letter." if t.noun in ("feather", "map", "shell", "medal")
          else "{a} made a parcel with {t.a} and the letter.")
    s.ask("Who did {a} write to?", "{a} wrote to {e}.")
    s.ask("What did {a} send?", "{a} sent {t.a}.")
    s.set(m="the mail carrier" if not s.is_animal else "an old crow")
    s.say("{a} gave it to {m}.", "{m} took it [with a nod|in a big bag].")
    s.roles["t"].holder = None
    s.say("{a} waited [one day, two days, three days|a whole week|and waited]. No answer came.", "Every morning, {a} ran to "
          "the gate. [Nothing|No letter].")
    s.feel("a", "sad")
    s.par()
    s.enter("e")
    s.say("But [on {@day}|then|one evening], there was a knock at the door. It was {e.name}!",
          "[Then|On {@day}], a [cart|car|boat|coach] came. And who was in it? {e.name}!" if not s.is_animal else
          "Then {a} saw somebody on the path. It was {e.name}!")
    s.say('"I got your letter," said {e.name}. "[The best answer is a hug|So I came at once|I wanted to see you]."')
    s.say("{e.name} [wore|carried|had] {t}." if t.noun in ("scarf", "medal") else "{e.name} had {t} in [a bag|one hand].")
    s.feel("a", "happy")
    s.say("They [talked|laughed|told stories] all [evening|night] and {x}.".replace("{x}", "ate " + s.rng.choice(w.DISHES)))
    s.ending(s.rng.choice((None, "patient")), "e")


SCHEMAS = [stuck_friend, stuck_friend, new_pet, secret_party, lost_way, new_neighbor, rescue, crossing, job_day,
           quarrel, lonely_giant, letter]
