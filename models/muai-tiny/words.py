"""words - the vocabulary of the small world: who lives in it, what there is, where it is kept.

Tables, one row a line or words apart by blanks; no logic beyond splitting them. Columns are named
above each table. Stories (stories_*.py) and questions (turns.py) draw from the same rows, so what a
story shows agrees with what an answer says.
"""


def words(text):
    return text.split()


def rows(text, n_columns):
    """Lines of '|'-separated columns."""
    out = []
    for line in text.strip().splitlines():
        columns = [c.strip() for c in line.split("|")]
        assert len(columns) == n_columns, line
        out.append(columns)
    return out


def phrases(text):
    return [p.strip() for p in text.replace("\n", " ").split(";") if p.strip()]


GIRLS = words("""
Mia Lily Anna Emma Sara Lucy Zoe Ella Ruby Molly Daisy Rosie Amy Jane Kate Nora Ivy Alice Clara Eva
Grace Hannah Julia Leah Maya Nina Olivia Polly Rachel Sophie Tina Vera Wendy Abby Bella Carla Dora
Elsa Fiona Gina Holly Ines Jenny Kim Laura Maria Nelly Paula Rita Sally Tess Una Violet Zara Ada
Beth Cora Dina Edith Flora Greta Heidi Iris Jill Kitty Lena Mabel Nadia Opal Pearl Queenie Rosa
Stella Thea Ursula Willow Yara Anya Betty Cleo Della Esther Freya Gloria Hazel Isla June Katya
Luna Marta Noor Oona Priya Renee Sonia Tilda Vivi Wanda Yuki Zelda Amina Fatima Leila
""")
BOYS = words("""
Tom Ben Max Sam Jack Tim Leo Adam Noah Luke Finn Jake Oscar Peter Paul Dan Eric Fred George Henry
Ian John Kevin Liam Mark Nick Owen Pete Ralph Simon Ted Victor Will Alex Bobby Carl David Evan
Frank Gus Hugo Ivan Jim Karl Louis Martin Nate Otto Philip Quinn Robin Scott Tony Vincent Walter
Zack Albert Billy Charlie Dylan Eddie Felix Gabriel Harry Isaac Jonas Kyle Lars Matteo Neil Omar
Pablo Roy Stefan Theo Umar Wesley Yusuf Andre Boris Caleb Diego Emil Florian Grant Hassan Igor Joel
Kofi Levi Milo Nils Oliver Pierre Ravi Santiago Tariq Uri Wyatt Arthur Amir Kenji
""")
SURNAMES = words("""
Brown Green White Black Gray Hill Wood Baker Miller Cook Fisher Hunter Young King Stone Bell Rose
Field Rivers Marsh Lane Park Snow Frost Summers Winter Day Bird Fox Wolf Lamb Cross Price Moon Reed
Berry Potter Carter Mason Taylor Turner Walker Page
""")
ANIMAL_NAMES = words("""
Pip Spot Fluffy Hoppy Squeaky Biscuit Cookie Pepper Ginger Patch Button Bubbles Nibbles Socks Tiny
Whiskers Shadow Sunny Coco Honey Muffin Pebble Twig Acorn Clover Dusty Fuzzy Jumper Lucky Misty
Noodle Peanut Pickles Rusty Snowy Tuffy Waffles Ziggy Bramble Chip Dot Echo Flick Gizmo Hazelnut
Jelly Kip Maple Nutmeg Olive Pumpkin Rascal Scout Toffee Velvet Widget Zippy Mango Plum Poppy
""")

# noun | plural | sound, past | home | eats | body part | moves | young | is what | legs
ANIMALS = rows("""
dog | dogs | barked | a kennel | bones | a wagging tail | ran | puppy | pet | four
cat | cats | meowed | a house | fish | soft paws | crept | kitten | pet | four
rabbit | rabbits | squeaked | a burrow | carrots | long ears | hopped | bunny | wild animal | four
fox | foxes | yelped | a den | berries | a bushy tail | crept | cub | wild animal | four
bear | bears | growled | a cave | honey | big paws | walked | cub | wild animal | four
mouse | mice | squeaked | a small hole | cheese | a thin tail | ran | pup | wild animal | four
squirrel | squirrels | chattered | a tree | nuts | a bushy tail | climbed | kit | wild animal | four
frog | frogs | croaked | a pond | flies | long legs | jumped | tadpole | wild animal | four
duck | ducks | quacked | a pond | water plants | a flat beak | swam | duckling | bird | two
hen | hens | clucked | a coop | corn | brown feathers | walked | chick | bird | two
owl | owls | hooted | a hollow tree | mice | round eyes | flew | owlet | bird | two
bird | birds | sang | a nest | seeds | small wings | flew | chick | bird | two
horse | horses | neighed | a stable | hay | a long mane | galloped | foal | farm animal | four
cow | cows | mooed | a barn | grass | two horns | walked | calf | farm animal | four
sheep | sheep | bleated | a field | grass | warm wool | trotted | lamb | farm animal | four
pig | pigs | grunted | a sty | apples | a curly tail | trotted | piglet | farm animal | four
goat | goats | bleated | a farm | leaves | a small beard | climbed | kid | farm animal | four
donkey | donkeys | brayed | a stable | straw | long ears | walked | foal | farm animal | four
lion | lions | roared | the dry grass | meat | a golden mane | walked | cub | wild animal | four
tiger | tigers | growled | the jungle | meat | black stripes | crept | cub | wild animal | four
elephant | elephants | trumpeted | the hot plains | leaves | a long trunk | walked | calf | wild animal | four
monkey | monkeys | chattered | the jungle | bananas | long arms | swung | baby | wild animal | two
giraffe | giraffes | hummed | the hot plains | leaves | a long neck | walked | calf | wild animal | four
penguin | penguins | honked | the ice | fish | short wings | waddled | chick | bird | two
turtle | turtles | hissed | a pond | lettuce | a hard shell | crawled | hatchling | wild animal | four
snail | snails | said nothing | a shell | leaves | a round shell | crawled | baby | small creature | no
bee | bees | buzzed | a hive | nectar | thin wings | flew | grub | insect | six
ant | ants | said nothing | an anthill | crumbs | strong jaws | crawled | grub | insect | six
butterfly | butterflies | said nothing | a garden | nectar | bright wings | fluttered | caterpillar | insect | six
spider | spiders | said nothing | a web | flies | eight eyes | crawled | baby | small creature | eight
hedgehog | hedgehogs | snuffled | a pile of leaves | worms | sharp spines | walked | baby | wild animal | four
mole | moles | snuffled | a tunnel | worms | strong claws | dug | pup | wild animal | four
beaver | beavers | splashed | a dam | bark | big teeth | swam | kit | wild animal | four
otter | otters | whistled | a river | fish | thick fur | swam | pup | wild animal | four
deer | deer | snorted | the forest | grass | thin legs | leaped | fawn | wild animal | four
wolf | wolves | howled | a den | meat | sharp teeth | ran | pup | wild animal | four
badger | badgers | grunted | a burrow | roots | a striped face | dug | cub | wild animal | four
parrot | parrots | squawked | a cage | seeds | green feathers | flew | chick | bird | two
goose | geese | honked | a farm | grass | a long neck | waddled | gosling | bird | two
swan | swans | hissed | a lake | water plants | white feathers | swam | cygnet | bird | two
crow | crows | cawed | a tall tree | corn | black feathers | flew | chick | bird | two
fish | fish | said nothing | the water | tiny plants | shiny scales | swam | fry | water animal | no
whale | whales | sang | the sea | tiny fish | a huge tail | swam | calf | water animal | no
dolphin | dolphins | clicked | the sea | fish | a smooth nose | swam | calf | water animal | no
crab | crabs | clicked | the beach | seaweed | two pincers | crawled | baby | water animal | ten
seal | seals | barked | the sea | fish | round eyes | swam | pup | water animal | no
camel | camels | grunted | the desert | dry leaves | a big hump | walked | calf | farm animal | four
kangaroo | kangaroos | grunted | the hot plains | grass | a warm pouch | jumped | joey | wild animal | two
panda | pandas | grunted | the forest | bamboo | black ears | walked | cub | wild animal | four
hamster | hamsters | squeaked | a cage | seeds | fat cheeks | ran | pup | pet | four
pony | ponies | neighed | a stable | hay | a short mane | trotted | foal | farm animal | four
raccoon | raccoons | chattered | a hollow tree | berries | a striped tail | climbed | kit | wild animal | four
zebra | zebras | snorted | the hot plains | grass | black stripes | galloped | foal | wild animal | four
snake | snakes | hissed | a hole | mice | smooth skin | slid | baby | wild animal | no
bat | bats | squeaked | a cave | moths | thin wings | flew | pup | wild animal | two
""", 10)
# Animals that talk and act in stories, on land.
HERO_ANIMALS = words("""rabbit fox bear mouse squirrel frog duck hen owl hedgehog mole beaver otter
deer badger turtle pig goat donkey cat dog raccoon hamster pony crow""")
PETS = words("dog cat rabbit hamster parrot turtle pony duck kitten puppy mouse")

# noun | kind | kept where | is for | made of | number (s or p)
THINGS = rows("""
ball | toy | in the toy box | playing catch | rubber | s
doll | toy | on the bed | playing | cloth | s
kite | toy | on the shelf | flying in the wind | paper | s
teddy bear | toy | on the bed | hugging | soft cloth | s
toy car | toy | in the toy box | racing on the floor | metal | s
toy boat | toy | in the bathtub | floating on water | wood | s
train set | toy | under the bed | playing | wood | s
puzzle | toy | on the shelf | putting together | paper | s
drum | toy | in the corner | making music | wood | s
whistle | toy | in the drawer | making a loud sound | metal | s
yo-yo | toy | in the drawer | going up and down | wood | s
top | toy | in the drawer | spinning | wood | s
robot | toy | on the shelf | playing | metal | s
puppet | toy | in the toy box | telling stories | cloth | s
jump rope | toy | in the hall | jumping | rope | s
scooter | toy | in the shed | riding | metal | s
bicycle | toy | in the shed | riding | metal | s
sled | toy | in the shed | sliding on snow | wood | s
wagon | toy | in the yard | pulling things | wood | s
marbles | toy | in a small bag | rolling | glass | p
blocks | toy | in the toy box | building towers | wood | p
crayons | school thing | in the pencil case | coloring | wax | p
pencil | school thing | in the pencil case | writing | wood | s
notebook | school thing | in the school bag | writing | paper | s
book | school thing | on the bookshelf | reading | paper | s
ruler | school thing | in the pencil case | drawing straight lines | wood | s
eraser | school thing | in the pencil case | rubbing out mistakes | rubber | s
school bag | school thing | by the door | carrying books | cloth | s
glue | school thing | in the drawer | sticking paper | plastic | s
scissors | tool | in the drawer | cutting paper | metal | p
hammer | tool | in the tool box | hitting nails | metal | s
saw | tool | in the tool box | cutting wood | metal | s
screwdriver | tool | in the tool box | turning screws | metal | s
wrench | tool | in the tool box | turning bolts | metal | s
ladder | tool | in the shed | climbing up high | wood | s
shovel | tool | in the shed | digging holes | metal | s
rake | tool | in the shed | gathering leaves | metal | s
bucket | tool | in the shed | carrying water | plastic | s
rope | tool | in the shed | tying things | string | s
watering can | tool | in the shed | watering plants | metal | s
broom | tool | in the hall | sweeping the floor | straw | s
flashlight | tool | in the drawer | seeing in the dark | plastic | s
lantern | tool | on the hook | seeing in the dark | glass | s
needle | tool | in the sewing box | sewing | metal | s
paintbrush | tool | in a jar | painting | wood | s
hat | clothes | on the hook | keeping the sun off | straw | s
cap | clothes | on the hook | keeping the sun off | cloth | s
scarf | clothes | on the hook | keeping your neck warm | wool | s
coat | clothes | in the closet | keeping warm | wool | s
sweater | clothes | in the closet | keeping warm | wool | s
raincoat | clothes | in the closet | keeping dry | plastic | s
umbrella | clothes | by the door | keeping the rain off | cloth | s
dress | clothes | in the closet | wearing | cotton | s
shirt | clothes | in the closet | wearing | cotton | s
mittens | clothes | in the drawer | keeping your hands warm | wool | p
gloves | clothes | in the drawer | keeping your hands warm | leather | p
boots | clothes | by the door | walking in puddles | rubber | p
shoes | clothes | by the door | walking | leather | p
slippers | clothes | under the bed | walking in the house | cloth | p
socks | clothes | in the drawer | keeping your feet warm | wool | p
glasses | clothes | on the table | seeing well | glass | p
necklace | treasure | in a small box | looking pretty | beads | s
ring | treasure | in a small box | looking pretty | gold | s
bracelet | treasure | in a small box | looking pretty | silver | s
watch | treasure | on the table | telling the time | silver | s
coin | treasure | in the purse | buying things | metal | s
key | treasure | on the hook | opening the door | metal | s
medal | treasure | on the wall | showing who won | metal | s
shell | treasure | on the shelf | hearing the sea | shell | s
feather | treasure | in a small box | tickling | feather | s
map | treasure | in the drawer | finding the way | paper | s
magnifying glass | treasure | on the desk | making things look bigger | glass | s
music box | treasure | on the shelf | playing a little song | wood | s
camera | treasure | on the shelf | taking pictures | plastic | s
cup | kitchen thing | in the cupboard | drinking | clay | s
plate | kitchen thing | in the cupboard | putting food on | clay | s
bowl | kitchen thing | in the cupboard | eating soup | clay | s
spoon | kitchen thing | in the kitchen drawer | eating soup | metal | s
fork | kitchen thing | in the kitchen drawer | eating | metal | s
pot | kitchen thing | on the stove | cooking soup | metal | s
pan | kitchen thing | on the stove | frying eggs | metal | s
kettle | kitchen thing | on the stove | boiling water | metal | s
jug | kitchen thing | on the table | pouring milk | clay | s
basket | kitchen thing | in the kitchen | carrying fruit | straw | s
jar | kitchen thing | on the shelf | keeping jam | glass | s
lunch box | kitchen thing | in the school bag | carrying lunch | plastic | s
oven | furniture | in the kitchen | baking bread | metal | s
fridge | furniture | in the kitchen | keeping food cold | metal | s
chair | furniture | at the table | sitting on | wood | s
table | furniture | in the kitchen | eating at | wood | s
bed | furniture | in the bedroom | sleeping | wood | s
lamp | furniture | on the desk | giving light | metal | s
clock | furniture | on the wall | telling the time | wood | s
mirror | furniture | on the wall | seeing your face | glass | s
pillow | furniture | on the bed | resting your head | feathers | s
blanket | furniture | on the bed | keeping warm at night | wool | s
rug | furniture | on the floor | keeping the floor warm | wool | s
towel | furniture | in the bathroom | drying your hands | cotton | s
soap | furniture | in the bathroom | washing your hands | fat | s
toothbrush | furniture | in the bathroom | brushing your teeth | plastic | s
comb | furniture | in the bathroom | combing your hair | plastic | s
guitar | music thing | in the corner | making music | wood | s
piano | music thing | in the living room | making music | wood | s
violin | music thing | in its case | making music | wood | s
flute | music thing | in its case | making music | silver | s
trumpet | music thing | in its case | making music | metal | s
bell | music thing | on the door | ringing | metal | s
tent | tool | in the attic | sleeping outside | cloth | s
fishing rod | tool | in the shed | catching fish | wood | s
net | tool | in the shed | catching fish | string | s
""", 6)
CARRIED = [r for r in THINGS if r[1] in ("toy", "clothes", "treasure", "school thing", "tool",
                                         "music thing", "kitchen thing")
           and r[0] not in ("piano", "ladder", "glue", "wagon", "scooter", "bicycle", "sled", "tent",
                            "pot", "pan", "kettle", "drum", "guitar", "rake", "shovel")]
SMALL = ("toy car;toy boat;doll;ball;top;yo-yo;puppet;whistle;robot;hat;cap;scarf;mittens;"
         "gloves;glasses;necklace;ring;bracelet;watch;coin;key;medal;shell;feather;map;"
         "magnifying glass;music box;camera;pencil;notebook;book;crayons;marbles;flute;"
         "teddy bear;spoon;cup;lunch box;flashlight;puzzle;paintbrush;slippers;ruler;"
         "eraser;kite;jump rope;umbrella;scissors;bell;lantern").split(";")

# noun | preposition | hiding spots | things seen there
PLACES = rows("""
park | in | under a bench; behind the slide; near the fountain; beside the swings; under a big oak tree; in the tall grass | children on the swings; a dog with a stick; an old man feeding birds; a boy flying a kite
garden | in | behind the rose bush; under a flower pot; next to the gate; between the carrots; by the watering can; under the apple tree | bees on the flowers; a snail on a leaf; red tomatoes; a robin on the fence
forest | in | under the ferns; behind a mossy log; inside a hollow tree; beside the stream; on a flat stone; under the fallen leaves | tall pine trees; a woodpecker; mushrooms; a little stream
beach | at | in the sand; behind a rock; near the water; under a towel; next to a sand castle; inside an old boat | white waves; a crab; sea gulls; a sand castle
farm | on | in the barn; behind the hay; under the cart; beside the hen house; near the well; on the fence | cows in the field; a red tractor; hens in the yard; a scarecrow
school | at | under the desk; in the hall; behind the door; beside the coat rack; in the reading corner; on the window sill | drawings on the wall; a big map; a row of coats; a fish tank
market | at | under a table; behind the apple cart; next to the bread stall; near the well; beside a pile of boxes; between two baskets | baskets of apples; a man selling fish; a lady with flowers; jars of honey
zoo | at | near the monkeys; beside the lion house; under a bench; behind the ticket booth; next to the pond; by the gate | sleepy lions; monkeys on ropes; a tall giraffe; pink birds
library | in | between two books; under a chair; behind the tall shelf; on the window seat; beside the lamp; under the desk | rows of books; a quiet reader; a globe; a sleeping cat
lake | at | under the old dock; in the reeds; behind a rock; beside the boat; on the little bridge; near the water lilies | white swans; a small boat; a jumping fish; blue dragonflies
river | by | under the bridge; in the reeds; on a flat stone; beside the mill; behind a willow tree; near the ducks | a family of ducks; shiny stones; an old bridge; a paper boat
hill | on | behind a rock; under the lone tree; in the clover; beside the path; next to the old wall; near the sheep | sheep like white clouds; tiny houses far below; yellow flowers; an old windmill
playground | at | under the slide; in the sandbox; behind the seesaw; near the swings; beside the fence; under the climbing frame | a tall slide; a sandbox; a big seesaw; children on the swings
village square | in | behind the well; under the big clock; beside the fountain; near the bakery; on the steps; next to the statue | a stone fountain; pigeons; a tall clock; a flower seller
train station | at | under a bench; beside the ticket window; behind a big suitcase; near the clock; on the platform; next to the newspaper stand | a long green train; people with bags; a big round clock; a man with a whistle
harbor | at | behind a barrel; under the nets; beside a fishing boat; near the lighthouse; between two ropes; on the dock | fishing boats; sea gulls; a tall lighthouse; a sailor
meadow | in | in the tall grass; under a daisy; beside the brook; behind a bush; on a tree stump; near the beehive | butterflies; tall grass; a family of rabbits; wild flowers
orchard | in | under a pear tree; behind a basket; beside the ladder; in the wheelbarrow; near the fence; between the roots | ripe pears; ladders in the trees; buzzing bees; baskets of plums
castle | at | behind a suit of armor; under the long table; beside the throne; in the tower; on the stairs; near the drawbridge | high towers; colorful flags; a deep moat; an old cannon
fair | at | under the ticket table; behind the merry-go-round; beside the popcorn cart; near the big wheel; under a bench; next to the tent | a merry-go-round; balloons; a clown; a popcorn cart
yard | in | under the porch; behind the shed; in the flower bed; beside the fence; near the swing; under the wheelbarrow | wet laundry; a bird bath; an old tire swing; a pile of leaves
kitchen | in | under the table; behind the bread box; on top of the fridge; beside the sink; in the cupboard; next to the stove | a warm oven; a bowl of fruit; clean plates; a jar of cookies
attic | in | behind an old trunk; under a dusty sheet; beside the window; in a wooden box; on a broken chair; next to a pile of books | cobwebs; old hats; a rocking horse; a dusty mirror
barn | in | behind the hay; under the ladder; beside the cow; in an empty bucket; on a wooden beam; near the big door | piles of hay; a sleepy cow; swallows; an old saddle
bakery | at | behind the counter; under the flour sack; beside the oven; near the window; on the shelf; next to the cakes | warm bread; a tall cake; trays of buns; a line of people
museum | at | behind a statue; under a bench; beside the old ship; near the dinosaur; on the stairs; next to the paintings | dinosaur bones; old paintings; a stone cat; a golden crown
pond | at | in the reeds; under a lily pad; beside a rock; near the ducks; on a log; behind the cattails | green frogs; ducklings; lily pads; a dragonfly
mountain | on | behind a boulder; in a small cave; under a pine tree; beside the path; near the snow; on a ledge | white snow; an eagle; a narrow path; a mountain goat
""", 4)
OUTDOOR = words("park garden forest beach farm lake river hill playground meadow orchard yard pond")
TRIPS = words("beach zoo lake farm forest mountain museum castle fair harbor hill river")

FOODS = words("""
apple pear plum peach banana orange lemon cherry grape melon mango strawberry raspberry blueberry
carrot potato tomato onion cucumber pumpkin cabbage pea bean radish turnip mushroom sandwich cookie
muffin cupcake bun pancake waffle pie pretzel egg sausage dumpling noodle meatball
""")
DISHES = phrases("""
tomato soup; vegetable soup; chicken soup; rice and beans; noodles with butter; cheese sandwiches;
fish and potatoes; pancakes with honey; warm bread and jam; an apple pie; baked potatoes; oatmeal;
scrambled eggs; a big salad; mushroom soup; pumpkin soup; spaghetti; pizza; roast chicken; toast
""")
# cake | ingredients | what it smelled of
BAKES = rows("""
chocolate cake | flour; eggs; sugar; butter; cocoa | chocolate
apple pie | flour; butter; apples; sugar; cinnamon | cinnamon
carrot cake | flour; eggs; carrots; sugar; nuts | nuts and spice
lemon cake | flour; eggs; lemons; sugar; butter | lemons
blueberry muffins | flour; eggs; blueberries; milk; sugar | warm berries
banana bread | flour; eggs; bananas; sugar; butter | bananas
gingerbread | flour; butter; honey; ginger; sugar | ginger
cheese bread | flour; milk; cheese; salt; butter | cheese
oatmeal cookies | oats; butter; sugar; eggs; raisins | butter
cherry pie | flour; butter; cherries; sugar; milk | cherries
honey cake | flour; honey; eggs; milk; butter | honey
pumpkin pie | flour; pumpkin; eggs; cream; sugar | pumpkin
""", 3)
DRINKS = phrases("""cold milk; apple juice; hot chocolate; warm milk; lemonade; orange juice; cool
water; mint tea; grape juice; warm tea with honey""")
# fruit or vegetable | color | grows where | taste
PRODUCE = rows("""
apple | red | on a tree | sweet
banana | yellow | on a tall plant | sweet
lemon | yellow | on a tree | sour
orange | orange | on a tree | sweet
cherry | red | on a tree | sweet
plum | purple | on a tree | sweet
pear | green | on a tree | sweet
peach | orange | on a tree | sweet
grape | purple | on a vine | sweet
strawberry | red | near the ground | sweet
blueberry | blue | on a bush | sweet
raspberry | red | on a bush | sweet
carrot | orange | under the ground | a little sweet
potato | brown | under the ground | plain
onion | white | under the ground | sharp
radish | red | under the ground | sharp
tomato | red | on a vine | fresh
cucumber | green | on a vine | fresh
pea | green | in a pod | a little sweet
pumpkin | orange | on the ground | a little sweet
cabbage | green | on the ground | plain
""", 4)

COLORS = words("""red blue green yellow orange purple pink brown black white gray golden silver""")
ADJ_THING = words("""
little big small old new shiny pretty soft round long tiny special favorite funny lovely wooden
striped spotted bright fine beautiful nice dusty plain strange lucky
""")
COLORED = set("toy|clothes|school thing|kitchen thing".split("|"))
TRAITS = words("""
kind brave shy curious clever cheerful quiet gentle funny careful helpful honest patient playful
polite lively friendly stubborn proud busy hungry sleepy lazy greedy nosy dreamy bold merry thoughtful
""")
HAPPY = words("happy glad cheerful delighted joyful pleased excited thrilled thankful merry")
SAD = words("sad upset unhappy worried gloomy miserable disappointed troubled")
SCARED = words("scared afraid frightened nervous")
PROUD = words("proud glad happy pleased")
SADLY = words("sadly quietly softly slowly unhappily")
GLADLY = words("happily cheerfully gladly proudly brightly merrily")
SAY_HAPPY = words("laughed cheered cried shouted said called")
WEATHER_FINE = phrases("""sunny; warm; bright; clear and blue; fine; mild; golden""")
# weather word | what it did | noun | good for
STORMS = rows("""
rain | it began to rain | the rain | jumping in puddles
thunder | thunder rolled over the roofs | the storm | reading by the window
snow | snow began to fall | the snow | building a snowman
wind | a strong wind blew | the wind | flying a kite
fog | thick fog covered everything | the fog | playing ghosts
hail | hail drummed on the windows | the hail | listening at the window
""", 4)
TIMES = phrases("""
one day; one morning; one afternoon; one sunny day; one cold day; one windy day; one quiet morning;
one warm evening; one spring morning; one summer day; one autumn afternoon; one winter morning;
one rainy day; early one morning; late one afternoon
""")
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = words("""January February March April May June July August September October November
December""")
SEASONS = rows("""
spring | flowers begin to grow | rainy and mild
summer | it is hot and sunny | hot
autumn | leaves fall from the trees | cool and windy
winter | snow falls | cold
""", 3)
NUMBERS = words("""zero one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen twenty""")

OPPOSITES = rows("""
big | small
hot | cold
up | down
day | night
happy | sad
fast | slow
high | low
wet | dry
open | closed
old | young
loud | quiet
full | empty
light | dark
hard | soft
clean | dirty
early | late
in | out
left | right
near | far
strong | weak
thick | thin
tall | short
wide | narrow
rich | poor
sweet | sour
front | back
first | last
begin | end
buy | sell
push | pull
give | take
laugh | cry
love | hate
win | lose
wake | sleep
heavy | light
deep | shallow
rough | smooth
sharp | dull
brave | afraid
true | false
yes | no
above | below
inside | outside
always | never
many | few
more | less
come | go
arrive | leave
remember | forget
find | lose
ask | answer
friend | enemy
kind | mean
easy | difficult
cheap | expensive
safe | dangerous
asleep | awake
noisy | quiet
straight | crooked
""", 2)
# who | what they do | where
JOBS = rows("""
baker | bakes bread and cakes | in a bakery
farmer | grows food and feeds animals | on a farm
teacher | teaches children | at a school
doctor | helps sick people | in a hospital
nurse | takes care of sick people | in a hospital
pilot | flies planes | in the sky
sailor | sails ships | on the sea
fisherman | catches fish | on the water
gardener | takes care of plants | in a garden
firefighter | puts out fires | at a fire station
police officer | keeps people safe | in the town
dentist | takes care of teeth | in an office
tailor | sews clothes | in a shop
shoemaker | mends shoes | in a workshop
carpenter | builds things from wood | in a workshop
painter | paints pictures and walls | in a studio
cook | makes meals | in a kitchen
mail carrier | brings letters | in the town
librarian | takes care of books | in a library
vet | helps sick animals | in a clinic
miller | grinds flour | in a mill
shepherd | looks after sheep | on a hill
clockmaker | mends clocks | in a workshop
musician | plays music | on a stage
writer | writes books | at a desk
bus driver | drives a bus | on the road
astronaut | flies to space | in a rocket
builder | builds houses | in the town
singer | sings songs | on a stage
beekeeper | looks after bees | in a garden
""", 3)
# infinitive | past | -ing ; games for two or more
GAMES = rows("""
play tag | played tag | playing tag
play hide and seek | played hide and seek | playing hide and seek
play catch | played catch | playing catch
build a tower | built a tower | building a tower
draw pictures | drew pictures | drawing pictures
sing songs | sang songs | singing songs
tell riddles | told riddles | telling riddles
race to the gate | raced to the gate | racing to the gate
jump rope | jumped rope | jumping rope
blow bubbles | blew bubbles | blowing bubbles
count clouds | counted clouds | counting clouds
look for bugs | looked for bugs | looking for bugs
collect stones | collected stones | collecting stones
climb trees | climbed trees | climbing trees
dance in circles | danced in circles | dancing in circles
build a fort | built a fort | building a fort
paint stones | painted stones | painting stones
pick flowers | picked flowers | picking flowers
fly paper planes | flew paper planes | flying paper planes
skip stones | skipped stones | skipping stones
make mud pies | made mud pies | making mud pies
play a board game | played a board game | playing a board game
read stories | read stories | reading stories
make music | made music | making music
play pirates | played pirates | playing pirates
""", 3)
LESSONS = {
    "share": phrases("""sharing makes everyone happy; a shared treat tastes better; it is good to
        share; friends share what they have; there is more joy in sharing than in keeping"""),
    "try": phrases("""it is good to keep trying; nobody gets everything right the first time; a
        mistake can teach you something; little steps can take you far; practice makes hard things
        easy"""),
    "help": phrases("""it feels good to help; a small kindness can make a big difference; even small
        friends can be a big help; many hands make work light; helping someone can make a new
        friend"""),
    "honest": phrases("""it is always best to tell the truth; the truth is not as scary as a lie;
        saying sorry can make things right; honest words keep friends close"""),
    "brave": phrases("""being brave means trying even when you are scared; the dark is only the day
        with its eyes closed; fears grow smaller when you share them; scary things often have simple
        reasons"""),
    "care": phrases("""it is wise to take good care of your things; things have their place; looking
        twice is better than crying once; a careful search finds almost everything"""),
    "patient": phrases("""good things take time; waiting can be worth it; nothing grows faster when
        you shout at it; a little patience goes a long way"""),
    "plan": phrases("""a spoiled plan can make room for a better one; you can have fun in any
        weather; the best days are sometimes not planned; rain cannot spoil good company"""),
}

# ---- asides: sentences that fit anywhere, so that no two stories walk the same words ----

BIRDS = words("robin sparrow blackbird swallow woodpecker starling magpie seagull dove cuckoo finch wren heron stork "
              "pigeon nightingale")
FLOWERS = words("daisy rose tulip buttercup violet poppy sunflower lily marigold bluebell snowdrop dandelion clover")
TREES = words("oak birch willow maple pine chestnut beech elm fir poplar linden walnut")
WEAR = phrases("""hat; cap; scarf; sweater; jacket; raincoat; shirt; belt; pair of boots; pair of shoes; pair of socks;
    vest; coat; backpack; bow tie; apron; pair of trousers""")
SKY = phrases("""a single cloud; the morning star; a thin moon; a row of geese; a rainbow; a red balloon; a big white
    cloud; a tiny plane; the first swallow; smoke from the chimneys; a golden sunset; a flock of crows""")
FAR = phrases("""a bell rang; a dog barked; a train whistled; somebody laughed; a rooster crowed; a door slammed; an owl
    hooted; a cart rattled; children sang; thunder grumbled; a hammer knocked; a cow mooed; music played; a baby cried;
    water splashed; a frog croaked""")
MATERIALS = words("wooden wool cotton leather silk paper tin glass clay straw velvet rubber")
SIZES = words("big huge large tiny small great giant enormous")
PATTERNS = words("striped checkered spotted flowery plain torn patched knitted faded woolen baggy")
DETAILS_CHILD = (
    "{h} [always|often|usually] wore a [{@color}|{@pattern}] {@wear}.",
    "{h} had [short|long|curly|straight|messy] [brown|black|red|blond|dark] hair and [brown|blue|green|gray] eyes.",

    "{h} had [freckles|a loose tooth|very quick feet|a loud laugh|a small scar|cold hands|a big imagination].",
    "{h} lived with {h.own} [mother|father|parents|grandmother|grandfather|aunt|uncle] [above a {shop}|near a {@tree} tree|"
    "at the end of a long street|beside the railway|behind the church]." .replace(
        "{shop}", "[bakery|shoe shop|bookshop|flower shop|toy shop|pharmacy]"),
    "In front of {h.his} window stood [a tall|an old|a crooked] {@tree} tree.",
    "For breakfast, {h} liked [toast and honey|porridge|eggs and toast|bread and cheese|yogurt with berries|cereal].",
    "{h} [collected|drew|counted|loved] [stamps|shells|buttons|leaves|bottle caps|postcards|beetles|feathers|coins].",
    "{h} could [whistle very loudly|stand on one leg for a minute|count to a thousand|wiggle both ears|run faster than the "
    "wind|name every {@bird} by its song|bake bread|swim like a fish].",
    "{h} had a [brother|sister|cousin] [who was much older|who talked a lot|who was away at sea|who played the trumpet].",
    "{h} often said, \"[Every day is a new day|One step at a time|Let us see|Why not|Slow and steady|Good things come "
    "back]!\"",
)
DETAILS_ANIMAL = (
    "{h} had [soft|shiny|thick|dusty|messy] [brown|gray|black|reddish|golden|dark] [fur|coat|back]."
    .replace("[fur|coat|back]", "ears"),
    "{h} [slept on a bed of moss|kept nuts in a tin|had a tiny lamp made of a nutshell|owned one {@lid} spoon|had a door made "
    "of bark].",
    "Under a {@tree} tree, {h} kept a [secret box|pile of shiny stones|broken umbrella|jar of berry jam|small garden].",
    "{h} could [whistle like a {@bird}|smell honey from far away|climb any {@tree}|sleep standing up|jump over a {@flower}|"
    "count up to seven].",
    "{h} had [three|four|five|six|seven] [brothers|sisters|cousins], all [louder|bigger|smaller|faster] than {h.self}.",
    "For breakfast, {h} liked [fresh clover|three berries|a crunchy root|warm seeds|wild mint|a sweet apple].",
    "{h} often wore a {@pattern} [scarf|hat|vest|cape] made by {h.own} [aunt|grandmother|uncle].",
    "{h} was afraid of [thunder|deep water|big dogs|the dark|geese], but told nobody.",
)
DETAILS_WORLD = (
    "A {@bird} sang in [a|the old|the tall] {@tree} tree.",
    "Far away, {@far}.",
    "In the sky, there was {@sky}.",
    "[High above|Above the roofs|Over the trees], {@sky} could be seen.",
    "[The wind|A breeze|The air] smelled of [{@flower}s|hay|rain|smoke|fresh bread|pine needles|wet leaves|salt].".replace(
        "{@flower}s", "flowers"),
    "A {@flower} [nodded|swayed|shivered] in the wind.",
    "A [{@color}|{@big}] butterfly [flew|danced|fluttered] past.",
    "[A leaf|An acorn|A petal|A feather] [fell|floated|drifted] slowly to the ground.",
    "It was so quiet that you could hear [a mouse|the grass|a snail|the clock|your own breath].".replace("your own ", "a "),
    "Two {@bird}s [quarreled|chattered|hopped about] near by.".replace("{@bird}s", "[robins|sparrows|pigeons|magpies|doves]"),
    "The shadows [grew long|were short|danced on the ground].",
    "[Somewhere|Not far off|In the distance], {@far}.",
    "A {@big} {@color} [beetle|dragonfly|moth|ladybug|cricket] sat on a [stone|leaf|post|wall].",
    "The {@tree} trees [rustled|whispered|stood very still|bent in the wind].",
)
