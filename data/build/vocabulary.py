"""The words, phrases and sentence patterns that the generators draw from."""

import re
from typing import NamedTuple


class Frame(NamedTuple):
    """A verb in its forms, and objects that fit it."""

    base: str
    third: str
    past: str
    gerund: str
    objects: list[str]


def phrases(text: str) -> list[str]:
    """Phrases separated by bars; line breaks count as spaces."""
    return [" ".join(phrase.split()) for phrase in text.split("|")]


def lines(text: str) -> list[str]:
    """One pattern a line; an indented line continues the one before."""
    return re.sub(r"\n +", " ", text.strip()).split("\n")


def numbers(text: str) -> list[tuple[str, str]]:
    """Lines of `singular | plural`, or of one form that serves both."""
    return [(forms[0], forms[-1]) for forms in map(phrases, lines(text))]


def named(text: str) -> dict[str, list[str]]:
    """Lines of `name: phrase | phrase`."""
    return {name: phrases(rest) for name, rest in (line.split(": ", 1) for line in lines(text))}


def frames(text: str) -> list[Frame]:
    """Lines of `base third past gerund: object | object`."""
    result = []
    for forms, objects in named(text).items():
        base, third, past, gerund = forms.split()
        result.append(Frame(base, third, past, gerund, objects))
    return result


# --- people and places ---

FIRST_NAMES = """
Anna Omar Lucia Peter Mei Fatima Jonas Priya Carlos Ingrid Tomas Aisha Kenji Sophie Daniel Ruth Marcus Elena
Hugo Nadia Samuel Yuki Clara Ahmed Bianca Oscar Leila Victor Hannah Diego Rosa Ivan Amara Felix Greta Walter
Simone Rahul Paula Emil Judith Kofi Martha Liam Zara Henry Olga Pablo Nina Gustav Miriam Arthur Chloe Rashid
Vera Dominic Alma Stefan Joyce Mateo Irene Caleb Freya Andre Louise Tariq Celia Bruno Wendy Kwame Adele
Marco Helen Sergei Dalia Edwin Petra Malik Rose Anton Lena Gilbert Yara Colin Mina Russell Tessa Javier
Brenda Ravi Sylvia Norman Esther Karl Monica Dean Farah Leon Julia Cedric Agnes Timothy Noor Barbara Luca
Edith Kemal Viola Trevor Selma Patrick Dora Hamza Fiona Boris Carmen Philip Ines Stuart Maya
""".split()
LAST_NAMES = """
Keller Haddad Moreno Novak Tanaka Okafor Lindgren Sharma Costa Berg Dvorak Mensah Watanabe Rossi Whitfield
Adler Barnes Petrova Castillo Rahman Coleman Sato Weber Nasser Marchetti Lang Farouk Holt Brandt Vega Romano
Sokolov Diallo Stein Larsson Pruitt Dubois Kapoor Ortiz Hansen Frost Asante Pratt Quinn Malik Bishop Volkov
Serrano Meyer Lindholm Abbott Sterling Moreau Aziz Popov Fleming Duarte Schmitt Reyes Vance Irwin Thornton
Nakamura Olsen Ferrari Baptiste Cruz Salim Winters Boateng Laurent Gallo Hobbs Orlov Mansour Greer Kowalski
Shah Ellison Baumann Leclerc Underwood Yilmaz Connolly Ito Radcliffe Tucker Almeida Hughes Bose Archer
Tillman Fischer Hartmann Pereira Drake Siddiqui Beaumont Navarro Conti Sinclair Monroe Hoshino Wagner Benson
Karim Fontaine Peck Jovic Stanton Avila Krause Blackwell Dahl Amin Sorensen Trent Ramos Falk Whitaker
""".split()
CITIES = """
Lisbon Oslo Toronto Nairobi Madrid Kyoto Lima Berlin Cairo Chicago Dublin Hanoi Boston Prague Seattle Mumbai
Vienna Accra Denver Athens Helsinki Bogota Manila Zurich Austin Warsaw Santiago Delhi Glasgow Casablanca
Montreal Seoul Budapest Phoenix Lagos Brussels Sydney Osaka Valencia Dallas Copenhagen Jakarta Portland
Bristol Milan Havana Tunis Geneva Houston Melbourne Krakow Karachi Edinburgh Quito Stockholm Ankara Atlanta
Marseille Bangkok Leeds Porto Dakar Calgary Hamburg Naples Auckland Detroit Riga Munich Tehran Sofia Memphis
Kampala Rotterdam Florence Vancouver Belgrade Nashville Seville Tallinn Cardiff Amman Miami Taipei Lyon
Baltimore Kolkata Tirana Ottawa Cologne Perth Bordeaux Minsk Orlando Zagreb Algiers Brisbane Antwerp Tucson
Vilnius
""".split()
JOBS = phrases("""
the baker | the nurse | the old fisherman | the librarian | the young engineer | the gardener | the tailor |
the pharmacist | the night guard | the science teacher | the carpenter | the bus driver | the violinist |
the village mayor | the plumber | the photographer | the receptionist | the shepherd | the postman |
the architect | the electrician | the student | the new intern | the museum guide | the mechanic |
the journalist | the dentist | the florist | the accountant | the lifeguard | the translator | the farmer |
the potter | the head chef | the widow next door | the tour leader | the store manager | the retired judge |
the beekeeper | the swimming coach
""")

# --- single words ---

NOUNS = """
river castle pencil window garden mirror bottle candle ladder blanket basket hammer pillow camera island
forest village bridge harbor valley meadow tunnel engine wallet jacket button ribbon saddle anchor lantern
feather crystal marble copper silver cotton velvet leather timber cement kitchen market school temple museum
station airport factory library theater stadium hospital office cottage palace garage balcony attic cellar
fountain apple mango lemon carrot onion garlic pepper butter cheese honey sugar cereal noodle pancake
biscuit pudding walnut almond raisin cherry tiger rabbit falcon turtle beetle spider dolphin penguin camel
donkey parrot lizard hamster badger otter moose pigeon sparrow salmon lobster teacher doctor farmer singer
pilot sailor lawyer artist writer dancer tailor butcher barber plumber driver soldier waiter banker janitor
coach winter summer morning evening thunder shadow sunset breeze desert glacier volcano canyon planet comet
rocket signal ticket poster letter packet guitar violin trumpet piano drum flute whistle puzzle marathon
picnic parade festival journey holiday birthday secret promise answer question reason brush chair table sofa
shelf drawer curtain carpet towel spoon fork plate kettle teapot stove oven broom bucket rope chain coat
scarf glove boot shirt dress belt sock skirt vest road train truck boat plane wagon sled raft bike tram
""".split()
ADJECTIVES = """
quiet bright heavy gentle clever hollow frozen golden ancient narrow silent bitter crooked dusty eager faint
gloomy hasty icy jolly keen lively mellow noble orange plain quick rough sturdy tender urgent vivid warm
young zesty brave calm damp empty fresh giant humble idle juicy kind loyal modern nervous odd pale rapid
sharp tiny useful vast wild yellow blue crisp dark
""".split()
VERBS = """
wander gather whisper tremble borrow wonder travel gallop stumble murmur vanish polish scatter sprinkle
juggle rescue predict imagine explore deliver arrange collect protect balance compare decorate repair
examine measure organize prepare recover remember suggest support welcome practice improve produce observe
""".split()
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

# --- clauses ---

# base, third person, past and gerund of a verb: objects that fit it
FRAMES = frames("""
repair repairs repaired repairing: the old bicycle | a broken radio | the kitchen sink | the garden fence |
    her grandfather's clock | the leaking roof | a torn jacket | the front door
paint paints painted painting: the hallway | a wooden chair | a portrait of the harbor | the garage door |
    two flower pots | the shop sign | a mural of dolphins
cook cooks cooked cooking: a pot of lentil soup | rice and beans | a spicy stew | dinner for twelve guests |
    fresh pasta | a mushroom omelette | three trays of dumplings
read reads read reading: a mystery novel | the morning paper | a long letter | an essay about whales |
    the instruction manual | a collection of poems
write writes wrote writing: a short story | a thank you note | the weekly report | a letter to the council |
    a song about winter | the opening chapter
carry carries carried carrying: a heavy suitcase | two bags of cement | a basket of apples |
    the sleeping child | a stack of plates | a bucket of water
clean cleans cleaned cleaning: the windows | the fish tank | the dusty attic | the coffee machine |
    the whole stable | a pair of muddy boots
sell sells sold selling: handmade candles | used books | a silver necklace | fresh strawberries |
    old postcards | tickets for the concert | leather belts
buy buys bought buying: a winter coat | a second-hand guitar | a dozen eggs | a map of the region |
    a pair of running shoes | a small sailboat | new curtains
plant plants planted planting: tomato seeds | a row of lavender | an apple tree | yellow tulips |
    a hedge of roses | some basil
photograph photographs photographed photographing: the sunrise | a flock of geese | the ruined castle |
    the wedding guests | a rare orchid | the frozen lake
teach teaches taught teaching: a class of beginners | an evening course | the children to swim |
    a group of tourists to dance | basic chemistry
collect collects collected collecting: seashells | old stamps | the empty bottles | firewood |
    signatures for the petition | antique keys
borrow borrows borrowed borrowing: a ladder | an umbrella | the neighbor's drill | three library books |
    a tent | a black tie
visit visits visited visiting: the science museum | an elderly aunt | a quiet monastery | the new bakery |
    the botanical garden | a small island
build builds built building: a stone wall | a tree house | a model airplane | a chicken coop |
    a simple bookshelf | a sandcastle
open opens opened opening: the wooden box | a savings account | the shop | a can of peaches |
    the heavy gate | the yellow envelope
lose loses lost losing: a silver ring | the car keys | a wallet | one red glove | the train ticket |
    a chess match
find finds found finding: a hidden staircase | an old coin | the missing puppy | a cheap apartment |
    a strange fossil | the right tool
wash washes washed washing: the dishes | a woolen sweater | the delivery van | the muddy dog |
    a bowl of cherries | the bed sheets
deliver delivers delivered delivering: a large parcel | fresh bread | the morning mail |
    a bouquet of lilies | flyers | a speech about kindness
record records recorded recording: a podcast | the sound of the waves | an interview |
    the minutes of the meeting | a new album
study studies studied studying: ancient maps | Italian grammar | the life of bees | a difficult equation |
    marine biology | the bus timetable
feed feeds fed feeding: the ducks | a hungry kitten | the goats | the tropical fish | two old horses |
    the campfire
fold folds folded folding: the clean towels | a paper crane | the tablecloth | a stack of napkins |
    the tourist map
draw draws drew drawing: a map of the valley | a sleeping cat | the floor plan | a comic strip |
    a perfect circle
order orders ordered ordering: a vegetable pizza | green tea | spare parts | a blue raincoat |
    six folding chairs
cancel cancels canceled canceling: the appointment | a magazine subscription | the picnic |
    the hotel booking | the evening rehearsal
choose chooses chose choosing: a quiet table | the cheapest option | a striped scarf |
    a seat near the window | a name for the boat
measure measures measured measuring: the living room | the depth of the well | two cups of flour |
    the distance to the bridge | the old curtains
climb climbs climbed climbing: a steep hill | the lighthouse stairs | an oak tree | the highest tower |
    a rope ladder
hide hides hid hiding: the birthday present | a spare key | a box of chocolates | the treasure map |
    the old photographs
organize organizes organized organizing: a charity run | the tool shed | a farewell party | the shelves |
    a chess tournament
translate translates translated translating: a medical leaflet | an old poem | the tourist brochure |
    the contract | a children's book
test tests tested testing: a new recipe | the fire alarm | the water quality | a prototype drone |
    the brakes
decorate decorates decorated decorating: a birthday cake | the ballroom | a Christmas tree |
    the shop window | a ceramic vase
watch watches watched watching: a documentary about volcanoes | the football match | the clouds |
    a street performer | the falling snow
describe describes described describing: the missing painting | a strange dream | the taste of mango |
    the accident | the new law
pack packs packed packing: a picnic basket | the camping gear | a small suitcase | the glass ornaments |
    lunch for the trip
ignore ignores ignored ignoring: the warning sign | the ringing phone | the weather forecast |
    a rude comment | the long queue
rent rents rented renting: a tiny cottage | a rowing boat | a minivan | an office above the bakery |
    a red scooter
polish polishes polished polishing: the silver spoons | a pair of black shoes | the marble floor |
    the brass handles | an antique mirror
sew sews sewed sewing: a button onto the coat | a patchwork quilt | a costume for the play |
    new cushion covers | a cotton dress
cut cuts cut cutting: the long grass | a slice of melon | the ribbon | some paper stars | the birthday cake
send sends sent sending: a postcard | an apology | the signed form | a box of oranges |
    flowers to the hospital
taste tastes tasted tasting: the tomato sauce | a local cheese | the homemade jam | the salty broth |
    a spoonful of honey
play plays played playing: the trumpet | a game of checkers | an old folk song | the piano | volleyball
lock locks locked locking: the back door | the filing cabinet | the bicycle shed | the jewelry box |
    the school gate
count counts counted counting: the passengers | the red cars | the coins in the jar | the ballots |
    the empty seats
catch catches caught catching: a large trout | the last train | a cold | a yellow butterfly |
    the falling vase
""")
PLACES = phrases("""
near the river | at the market | behind the church | in the village | at the community center |
beside the lake | across the street | near the harbor | at the corner shop | outside the theater |
at the summer camp | in the quiet courtyard | near the airport | in the workshop | at the north gate |
near the train station | in the suburbs | at the club | in the old town | by the park
""")
MANNERS = phrases("""
with great care | without any help | for a friend | in complete silence | with a smile | for the neighbors |
with two colleagues | despite the rain | in a hurry | for the third time | before lunch | after work |
during the storm | for charity | with the children | in the afternoon | before sunrise | for the festival |
in the morning | after school | in the evening | during the holidays | after the meeting |
before the party | on the weekend | at noon | at night | after breakfast | during the break | once a year
""")
STARTS = phrases("""
Yesterday | Today | Tomorrow | Sometimes | Usually | Later | Suddenly | Perhaps | Every Friday | Last week |
On Monday | After dinner | In spring | Before noon | This morning | Quietly | Finally | Luckily |
During the break | At midnight | Most days | Once again | Without warning
""")

# --- things ---

# concrete things that fit most slots, and adjectives that fit most things
OBJECTS = phrases("""
guitar | camera | lamp | jacket | clock | teapot | sofa | ladder | piano | painting | coin | map |
umbrella | tent | mirror | kettle | suitcase | statue | bicycle | necklace | violin | telescope | drum |
scarf | carpet | blanket | vase | basket | wallet | toolbox | printer | radio | keyboard | typewriter |
chair | table | bookshelf | desk | wardrobe | candle | puzzle | kite | skateboard | surfboard | canoe |
scooter | trumpet | flute | ring | bracelet | watch | helmet | backpack | coat | sweater | pillow |
mattress | fridge | toaster | blender | oven | heater | fan | lantern | notebook | poster | globe |
microscope | trophy | doll | toy train | chessboard | frame | bench | fountain | gate | door | window |
curtain | rug
""")
OBJECT_ADJECTIVES = """
new small large broken red blue green yellow silver cheap heavy shiny dusty strange lovely tiny huge plain
fancy modern sturdy simple beautiful wooden rare missing second-hand famous curious
""".split()
TOPICS = phrases("""
budget | garden | library | concert | website | training | museum | kitchen | bicycle | parking |
summer camp | recycling | choir | photography | chess | school | marketing | safety | travel | music |
housing | theater | catering | football
""")
GROCERIES = phrases("""
milk | eggs | brown rice | olive oil | paper towels | soap | batteries | green apples | butter | coffee |
toothpaste | tomatoes | yogurt | cinnamon | dish soap | candles | onions | light bulbs | chicken stock |
cereal | orange juice | napkins | garlic | honey | shampoo | bread | tape | envelopes | frozen peas |
spinach
""")
CHORES = phrases("""
call the bank | water the plants | renew passport | buy stamps | book a flight | clean the oven |
pay the rent | email Nadia | fix the lamp | return books | walk the dog | order lunch | print tickets |
charge the camera | pack a bag | visit the dentist | update the budget | feed the cat | wash the car |
plan the menu
""")
# parts of names in programs
QUALIFIERS = """
user order monthly total average customer product daily default current previous next maximum minimum active
shipping billing account invoice payment login error server file image video search email phone delivery
weekly annual hidden primary backup local remote external internal initial final random public private
temporary new old
""".split()
QUANTITIES = """
address count name index price report rate limit score value date time size number status type label color
width height balance history settings profile token session folder path version group level queue cache
filter message title summary amount code table record format mode list key timeout buffer counter margin
""".split()

# --- organizations: up to four words, one of each list ---

ORGANIZATION_1 = """
National Northern Coastal United Global Royal Central Western Pacific Modern Urban Rural Eastern Atlantic
Regional Metropolitan Young Independent International Southern Alpine Tropical Digital Public General
""".split()
ORGANIZATION_2 = """
Wildlife Music Book Energy Health Science Sports Marine Forest Teachers Writers Railway Space Film Dental
Nursing Housing Water Heritage Theater Chess Cycling Farmers Engineering Garden Weather Radio Aviation
Design Robotics
""".split()
ORGANIZATION_3 = """
Research Training Safety Support Education Rescue Planning Innovation Festival Exchange Protection
Development Service History Youth Funding Testing Quality Trade Archive
""".split()
ORGANIZATION_4 = """
Trust Society Institute Council Foundation Association League Network Agency Alliance Center Union Bureau
Group Committee Board Fund Academy Office Club
""".split()

# --- key and value pairs ---

KEYS = """
name age city color size status brand price weight country job year material title stock language
""".split()
# the values of the other keys are made by the generator
VALUES = named("""
color: red | blue | green | black | white | silver | orange | purple | teal | maroon
size: small | medium | large
status: active | pending | closed | draft | paid
brand: Norvik | Altura | Kestrel | Bluefin | Solara | Pinewood | Marlow
country: Norway | Peru | Kenya | Japan | Italy | Canada | Ghana | Chile | Spain | India
job: nurse | baker | pilot | editor | farmer | welder | chef | tutor
material: wood | cotton | steel | glass | leather | bamboo
language: French | Swahili | Korean | Polish | Arabic | Hindi
""")

# --- sentences to extract from ---

# x is the answer, n a name, c a city, w a thing, j and J a job, a an adjective, k a number, m a month
EMAIL_SENTENCES = lines("""
Please contact me at {x} if the plan changes.
You can reach {n} at {x} during office hours.
Send the invoice to {x} before Friday.
My new address is {x}, so update your list.
For refunds, write to {x} with your order number.
{n} asked us to forward everything to {x}.
Questions about the {w} go to {x}.
The ticket was opened by {x} this morning.
Reply to {x} and mention the {w}.
I lost access to {x} last week.
Register with {x} to get the {w} catalog.
Our {c} office uses {x} for bookings.
Write to {x} or call the front desk.
The account {x} was suspended yesterday.
Copy {x} on the message about the {w}.
Is {x} still the right contact in {c}?
Applications should be sent to {x} by {n}.
Someone named {n} wrote from {x} about the {w}.
Forward the {w} photos to {x}, thanks.
Contact: {x}, {c} branch.
Job offers arrive at {x} every month.
We sent the receipt for the {w} to {x}.
{n} forgot the password for {x}.
To unsubscribe, mail {x}.
""")
URL_SENTENCES = lines("""
Visit {x} to read more about the {w}.
The full schedule is posted at {x} this week.
{n} shared {x} with the whole class.
I found the {w} on {x} for half price.
Download the form from {x} before {m}.
Our new site {x} launches in {c}.
See {x} for directions.
Could you check whether {x} still works?
The recipe for onion soup is on {x} now.
According to {x} the {w} was restored.
Sign up at {x} and get a free {w}.
{n} wrote a review on {x} last night.
All photos from {c} are stored on {x} until {m}.
Please open {x} in a new tab.
My portfolio is {x} if you want to look.
The link {x} sends visitors to a {a} page.
Tickets for the {c} show are sold on {x} only.
We moved the docs to {x} yesterday.
Read the {w} story on {x} tonight.
You will find {j} on {x} too.
Report problems at {x} any time.
""")
YEAR_SENTENCES = lines("""
The {w} factory opened in {x} near {c}.
{n} moved to {c} in {x}.
In {x}, {j} won a national prize.
The bridge was rebuilt in {x} after the flood.
This {a} {w} dates from {x}.
{n} graduated in {x} and became a teacher.
Our family has owned the {w} since {x}.
The museum bought the {w} back in {x}.
In {x} the {k} brothers sold the {w} shop.
The team of {k} began work in {x}.
The {x} festival in {c} was canceled.
{n} was born in {c} in {x}.
A fire destroyed the {w} in {x}.
The law changed in {m} {x}.
Nobody in {c} remembers the storm of {x}.
The company was founded in {x} by {n} and a friend.
It snowed in {c} during the summer of {x}.
The {x} edition of the book has a {a} cover.
Between wars, in {x}, the {w} was lost.
They first met in {x} at a {w} fair.
The map from {x} shows {k} roads near {c}.
The {w} was stolen in {x} and found {k} years later.
{n} retired in {x}.
A comet was seen over {c} in {x}.
""")
NAME_SENTENCES = lines("""
{x} bought a {a} {w} yesterday.
The prize went to {x} from {c}.
Yesterday {x} presented the new {w}.
I spoke with {x} about the {w}.
The letter was signed by {x} in {m}.
Our neighbor {x} collects old {w} parts.
Have you met {x} before?
A photograph of {x} hangs in the hall.
{x} will visit {c} next {m}.
The meeting was led by {x} and ended early.
Doctors say {x} is recovering well.
Tickets are reserved for {x} at the desk.
In {c}, {x} opened a small bakery.
The book about the {w} was written by {x} last year.
According to {x}, the {w} is still in {c}.
We hired {x} as the new gardener.
The winner, {x}, thanked the crowd.
Everyone at the office likes {x} very much.
Police praised {x} for saving the {w}.
The {w} belongs to {x} now.
{x} lives in {c} with two cats.
Please welcome {x}, our guest tonight.
My teacher was {x}, who loved {c}.
Last {m} {x} ran a marathon.
""")
CITY_SENTENCES = lines("""
{n} moved to {x} last {m}.
The train to {x} leaves at noon.
We spent a lovely week in {x}.
A new {w} museum opened in {x} today.
{J} grew up in {x}.
Flights to {x} are cheap in {m}.
The weather in {x} was mild all week.
Our office in {x} is hiring.
{n} sent a postcard from {x}.
Is there a good {w} shop in {x}?
A music festival takes place in {x} every {m}.
They met at a conference in {x}.
Many tourists visit {x} for the food.
The {x} marathon was won by {n}.
I missed the bus from {x} this morning.
{n} studied medicine in {x}.
Heavy rain closed the roads near {x}.
The band will play in {x} next {m}.
Streets in {x} are quiet at night.
A parcel from {x} arrived for {n}.
She dreams of living in {x} one day.
The mayor of {x} resigned in {m}.
He drove all night to reach {x}.
""")
PRICE_SENTENCES = lines("""
The {w} costs {x} at the market.
{n} paid {x} for a {a} {w}.
Tickets are {x} per person.
{k} tickets to the {c} show cost {x}.
After {k} weeks {n} sold the {w} for {x}.
You can get this {w} for only {x} today.
The repair came to {x} in total.
I found a {w} online for {x} including shipping.
Lunch at the cafe in {c} was {x} with a drink.
Rent went up by {x} in {m}.
The auction closed at {x} for the {a} {w}.
A used {w} sells for about {x} here.
{n} still owes me {x} for the taxi.
We raised {x} for the school.
Shipping to {c} adds {x} to the bill.
The deposit is {x} and it is refundable.
Last {m} the same {w} was {x}.
A room in {c} is {x} a night with breakfast.
The fine was {x}, which surprised {n}.
Entry costs {x} except on Sundays.
They lowered the price to {x} after a week.
My {w} bill was {x} this month.
""")
HASHTAG_SENTENCES = lines("""
Loving this view in {c} {x}
Just finished my first cooking class! {x}
{n} baked a cake today {x} so good
Can't wait for {m} {x}
Monday mood: coffee in {c} {x}
Who else is going to {c}? {x} see you there
New {w} day {x} thanks {n}!
{x} my {w} finally arrived
The show in {c} was amazing {x}
Feeling great this morning in {c} {x}
Best {w} shop in {c}, no contest {x}
Throwback to {c} last {m} {x}
Sold my {w} and bought a bike {x} no regrets
{x} is what I think about every {m}
Rainy day, good book, warm tea {x} thanks {n}
Happy birthday {n}! {x}
Training for the {c} race {x} day two
Look at this {a} {w}! {x} wow
Sunset over {c} {x} no filter
{n} and I tried the new pizza place {x}
""")
NUMBER_SENTENCES = lines("""
There are {x} chairs in the {a} room.
{n} counted {x} birds near {c}.
The bus carries {x} passengers.
We ordered {x} boxes of {a} tiles.
Only {x} people came to the show in {c}.
Page {x} has a picture of a {w}.
The library owns {x} books about {c}.
{n} ran {x} miles in {m}.
The hotel in {c} has {x} rooms.
About {x} students study music in {c}.
It took {x} minutes to reach {c}.
The farmer sold {x} sheep to {n}.
My {a} {w} weighs {x} grams.
The {c} team scored {x} points last night.
The recipe needs {x} grams of flour.
{n} lives at number {x} on our street.
A crowd of {x} waited in {c}.
The {a} tower is {x} meters tall.
Room {x} is next to the {w} shop.
They planted {x} trees in {m}.
Bus {x} goes to {c}.
The jar holds {x} coins.
""")

# --- languages: a subject, a predicate and an adverbial make a sentence ---

SUBJECTS = named("""
English: my neighbor | the old teacher | her brother | the young doctor | our cousin | the tall waiter |
    the new student | my grandmother | the tired driver | the little girl | his boss | the singer |
    the farmer | a friend | the captain | the painter | the woman with the hat | the boy | our landlord |
    the cook
French: mon voisin | le vieux professeur | son frère | la jeune médecin | notre cousin | le grand serveur |
    la nouvelle élève | ma grand-mère | le chauffeur fatigué | la petite fille | son patron | la chanteuse |
    le fermier | une amie | le capitaine | le peintre | la femme au chapeau | le garçon |
    notre propriétaire | la cuisinière
German: mein Nachbar | der alte Lehrer | ihr Bruder | die junge Ärztin | unser Cousin | der große Kellner |
    die neue Schülerin | meine Großmutter | der müde Fahrer | das kleine Mädchen | sein Chef |
    die Sängerin | der Bauer | eine Freundin | der Kapitän | der Maler | die Frau mit dem Hut | der Junge |
    unser Vermieter | die Köchin
Spanish: mi vecino | el viejo profesor | su hermano | la joven médica | nuestro primo | el camarero alto |
    la nueva alumna | mi abuela | el conductor cansado | la niña pequeña | su jefe | la cantante |
    el granjero | una amiga | el capitán | el pintor | la mujer del sombrero | el chico | nuestro casero |
    la cocinera
""")
PREDICATES = named("""
English: drinks coffee | buys fresh bread | reads the newspaper | waits for the bus | sings an old song |
    writes a long letter | looks for the keys | sells red apples | opens the window | paints the door |
    feeds the cat | learns a new language | eats soup | listens to the radio | repairs the car |
    closes the shop | plays the guitar | washes the plates | carries a heavy bag | sleeps on the sofa |
    watches the rain | tells a story | counts the money | cuts the grass | finds a coin
French: boit du café | achète du pain frais | lit le journal | attend le bus | chante une vieille chanson |
    écrit une longue lettre | cherche les clés | vend des pommes rouges | ouvre la fenêtre |
    peint la porte | nourrit le chat | apprend une nouvelle langue | mange de la soupe | écoute la radio |
    répare la voiture | ferme le magasin | joue de la guitare | lave les assiettes | porte un sac lourd |
    dort sur le canapé | regarde la pluie | raconte une histoire | compte l'argent | coupe l'herbe |
    trouve une pièce
German: trinkt Kaffee | kauft frisches Brot | liest die Zeitung | wartet auf den Bus |
    singt ein altes Lied | schreibt einen langen Brief | sucht die Schlüssel | verkauft rote Äpfel |
    öffnet das Fenster | streicht die Tür | füttert die Katze | lernt eine neue Sprache | isst Suppe |
    hört Radio | repariert das Auto | schließt den Laden | spielt Gitarre | spült die Teller |
    trägt eine schwere Tasche | schläft auf dem Sofa | beobachtet den Regen | erzählt eine Geschichte |
    zählt das Geld | mäht den Rasen | findet eine Münze
Spanish: bebe café | compra pan fresco | lee el periódico | espera el autobús | canta una vieja canción |
    escribe una carta larga | busca las llaves | vende manzanas rojas | abre la ventana | pinta la puerta |
    alimenta al gato | aprende un nuevo idioma | come sopa | escucha la radio | repara el coche |
    cierra la tienda | toca la guitarra | lava los platos | lleva una bolsa pesada | duerme en el sofá |
    mira la lluvia | cuenta una historia | gana mucho dinero | corta la hierba | encuentra una moneda
""")
ADVERBIALS = named("""
English: in the morning | every day | after work | in the kitchen | near the station | with a friend |
    on Sunday | in the garden | without a word | before dinner | at the market | in winter | by the sea |
    in the evening | at home
French: le matin | tous les jours | après le travail | dans la cuisine | près de la gare | avec un ami |
    le dimanche | dans le jardin | sans un mot | avant le dîner | au marché | en hiver | au bord de la mer |
    le soir | à la maison
German: am Morgen | jeden Tag | nach der Arbeit | in der Küche | neben dem Bahnhof | mit einem Freund |
    am Sonntag | im Garten | ohne ein Wort | vor dem Abendessen | auf dem Markt | im Winter | am Meer |
    am Abend | zu Hause
Spanish: por la mañana | todos los días | después del trabajo | en la cocina | cerca de la estación |
    con un amigo | el domingo | en el jardín | sin decir nada | antes de la cena | en el mercado |
    en invierno | junto al mar | por la noche | en casa
""")

# --- reviews ---

PRODUCTS = phrases("""
headphones | backpack | coffee maker | running shoes | blender | office chair | phone case | desk lamp |
winter jacket | keyboard | water bottle | air fryer | tent | mattress | electric kettle | board game |
vacuum cleaner | sunglasses | yoga mat | rice cooker | umbrella | suitcase | toaster | smart watch | novel |
cookbook | garden hose | bike helmet | camera strap | space heater
""")
PLURAL_PRODUCTS = {"headphones", "running shoes", "sunglasses"}
VENUES = phrases("""
hotel | restaurant | cafe | museum | gym | hair salon | campsite | bakery | cinema | bookshop |
dentist's office | food truck
""")
PRAISE = phrases("""
excellent | wonderful | fantastic | outstanding | delightful | superb | impressive | brilliant | lovely |
perfect | amazing | really good
""")
BLAME = phrases("""
terrible | awful | disappointing | horrible | useless | dreadful | poor | frustrating | very bad |
worthless | shoddy | unacceptable
""")
VENUE_BLAME = phrases("""
terrible | awful | disappointing | horrible | dreadful | very bad | below average | depressing
""")
# of one thing | of a pair, where that reads otherwise
PRODUCT_PRAISE = numbers("""
It works better than I expected | They work better than I expected
I use it every day and love it | I use them every day and love them
My whole family is happy with it | My whole family is happy with them
It arrived early and in perfect shape | They arrived early and in perfect shape
The quality is worth every cent
I would buy it again without hesitation | I would buy them again without hesitation
It made my mornings so much easier | They made my mornings so much easier
Everything about it feels solid | Everything about them feels solid
Five stars from me
It exceeded all my hopes | They exceeded all my hopes
Highly recommended
I have already told my friends to get one | I have already told my friends to get a pair
Setup took two minutes and it runs smoothly | Setup took two minutes and everything runs smoothly
Great value for the money
""")
PRODUCT_BLAME = numbers("""
It broke after two days | They broke after two days
I want my money back
It arrived late and scratched | They arrived late and scratched
The quality is far below the price
I regret buying it | I regret buying them
It stopped working within a week | They stopped working within a week
Customer service never answered
It smells of cheap plastic | They smell of cheap plastic
A complete waste of money
Do not buy this | Do not buy these
It looks nothing like the pictures | They look nothing like the pictures
I returned it the same day | I returned them the same day
The instructions make no sense and parts are missing
It fell apart in my hands | They fell apart in my hands
""")
STAFF_PRAISE = phrases("""
The staff were friendly and helpful | We were served quickly and with a smile | Everything was spotless |
I will definitely come back | The prices are fair and the mood is relaxed |
We left happy and full of energy | Best afternoon we have had in months |
They went out of their way for us | A real gem in the city
""")
STAFF_BLAME = phrases("""
The staff were rude and slow | We waited an hour and nobody apologized | The floor was dirty and sticky |
I will never come back | Overpriced and noisy | We left hungry and annoyed |
Worst afternoon we have had in months | They ignored our complaint | A place to avoid
""")

# --- categories, and the adjectives that go with their members ---

CATEGORIES = named("""
food: pancake | lasagna | noodle soup | cheeseburger | apple pie | rice pudding | omelette | burrito |
    caesar salad | yogurt | chocolate cake | garlic bread | mashed potatoes | cornbread | dumplings |
    pizza | sushi roll | hummus | granola | waffle | tomato soup | cheddar cheese | blueberry muffin |
    curry | tofu | meatballs | spaghetti | taco | pretzel | croissant | baguette | oatmeal | jam sandwich |
    fried rice | lentil stew | ice cream | popcorn | peanut butter | coleslaw | falafel | ravioli | cookie |
    doughnut | porridge | quiche | strawberry tart | ham sandwich | vegetable curry | honey cake | cereal |
    macaroni | nachos | steak | sausage | bacon | guacamole | gravy | fruit salad | bagel | risotto
animal: tiger | elephant | hedgehog | penguin | dolphin | kangaroo | beaver | zebra | otter | crocodile |
    parrot | squirrel | wolf | giraffe | hamster | panther | badger | owl | falcon | moose | camel |
    gorilla | lizard | tortoise | pigeon | raccoon | leopard | walrus | koala | donkey | goat | ferret |
    polar bear | hummingbird | octopus | seahorse | jellyfish | cheetah | bison | chipmunk | flamingo |
    pelican | iguana | lemur | gazelle | hyena | rhinoceros | porcupine | swan | sparrow | beagle | poodle |
    kitten | pony | foal | puppy | baboon | meerkat | platypus | vulture
vehicle: bicycle | pickup truck | sailboat | helicopter | motorcycle | school bus | ferry | tractor |
    submarine | scooter | ambulance | fire engine | taxi | minivan | speedboat | airplane | tram |
    freight train | hot air balloon | canoe | kayak | bulldozer | limousine | sports car | delivery van |
    yacht | cargo ship | glider | moped | forklift | rowboat | snowmobile | jet ski | cable car |
    police car | camper van | convertible | sedan | hovercraft | tow truck | garbage truck |
    steam locomotive | tricycle | go-kart | dump truck | cruise ship | hatchback | double-decker bus |
    subway train | fishing boat | oil tanker | space shuttle | gondola | rickshaw | monster truck |
    seaplane | jeep | catamaran | tandem bike | golf cart
clothing: sweater | raincoat | blue jeans | wool scarf | leather jacket | evening gown | socks |
    baseball cap | cardigan | mittens | pajamas | overalls | bow tie | bathrobe | swimsuit | tracksuit |
    miniskirt | denim shorts | turtleneck | hoodie | blouse | tuxedo | apron | kimono | poncho | vest |
    trench coat | parka | sandals | high heels | rubber boots | sneakers | slippers | beanie | leggings |
    silk tie | suspenders | tank top | polo shirt | corset | cloak | straw hat | gloves | wedding dress |
    corduroy trousers | pleated skirt | ski pants | windbreaker | dress shirt | flip-flops | tights | kilt |
    jumpsuit | sarong | undershirt | blazer | waistcoat | cowboy boots | nightgown | bandana
""")
CATEGORY_ADJECTIVES = named("""
food: homemade | leftover | delicious | warm | tasty | freshly made | frozen | spicy | microwaved |
    my favorite
animal: wild | hungry | sleepy | baby | injured | curious | rescued | frightened | young | playful
vehicle: rusty | parked | speeding | rented | noisy | broken-down | electric | brand new | abandoned | slow
clothing: striped | stylish | wrinkled | oversized | cotton | hand-washed | warm | expensive | faded |
    favorite
""")

# --- registers ---

# w is a topic, c a city, d a day, n a first name, l a last name
FORMAL = lines("""
I would be grateful if you could send me the {w} report by {d}.
I regret to inform you that the {w} meeting in {c} has been postponed.
Please accept my sincere apologies for the delay regarding the {w}.
We would be delighted to welcome you to our {c} office on {d}.
Dear {l}, thank you for your inquiry concerning the {w}.
I am writing to request further information about the position in {c}.
Kindly confirm your attendance at the dinner on {d}.
It was a great pleasure to make your acquaintance in {c}.
The committee has decided to decline the proposal regarding the {w}.
Should you require any assistance with the {w}, please do not hesitate to contact us.
We kindly ask passengers to remain seated until the vehicle reaches {c}.
I would like to express my gratitude for your generous support of the {w}.
Professor {l} will be unable to attend the lecture on {d}.
The quality of the {w} does not meet the standards described in the agreement.
May I suggest that we reschedule our appointment to {d}?
Our representatives in {c} will review your application with due care.
It is with great regret that I announce my resignation from the {w} committee.
Customers are advised that the {w} section will be closed on {d}.
Mr. {l} has requested that the documents be delivered to {c} without delay.
We look forward to establishing a lasting partnership with your company in {c}.
Permit me to congratulate you on your recent appointment as director of the {w} department.
The undersigned hereby agrees to return the {w} keys no later than {d}.
We must inform you that payment for the {w} course is overdue since {d}.
On behalf of the {w} board, I thank all residents of {c} for their patience.
Enclosed please find the minutes of the {w} meeting held on {d}.
I respectfully disagree with the conclusions of the {w} report.
Would you be so kind as to forward this message to {l} before {d}?
Guests are kindly requested to refrain from smoking during the {c} reception.
It has come to our attention that the {w} office in {c} lacks sufficient staff.
We appreciate your continued interest in our {w} program in {c}.
Following our conversation on {d}, I wish to confirm the terms of the {w} contract.
The director, {l}, shall deliver the opening remarks in {c}.
""")
# the same messages in the same order
INFORMAL = lines("""
hey can u send me the {w} report by {d}
sorry, the {w} thing in {c} got pushed back lol
oops my bad about the {w}, totally forgot
come hang out at our {c} place {d}, it'll be fun
hey {n}, thanks for asking about the {w}!
so what's the deal with that job in {c}?
u coming to dinner {d} or what?
so cool meeting you in {c}, we gotta do it again
nah, they said no to the {w} idea
just yell if you get stuck with the {w}, ok?
guys just stay put till we get to {c}
thanks a bunch for helping out with the {w}, you rock
{n} can't make it {d}, bummer
this {w} is total junk, not gonna lie
wanna just meet {d} instead?
the {c} crew's gonna check out your stuff, no worries
welp, I'm quitting the {w} team, can't deal anymore
fyi the {w} bit's shut {d}, kinda annoying
{n} needs those papers in {c} like right now
can't wait to team up with you guys in {c}!!
omg congrats on the {w} gig, so proud of u
yeah yeah I'll give the {w} keys back {d}, chill
you still gotta pay for the {w} thing, it was due {d}
big thanks to everyone in {c} for putting up with the {w} mess
here's the {w} notes from {d}, enjoy lol
ugh, that {w} report is way off imo
can ya pass this on to {n} before {d}? thx
no smoking at the {c} party, guys, come on
dude, the {w} place in {c} is so short on people
glad ya like the {w} stuff we do in {c} :)
like we said {d}, the {w} deal's on, cool?
{n}'s gonna kick things off in {c}, woohoo
""")

# --- messages ---

# w is a thing, p a product, c a city, d a day, n a first name, l a last name, k a number, b money
SPAM = lines("""
Congratulations! You have won a free {w}. Click the link to claim it now
URGENT: your account will be closed in {k} hours. Verify your password today
Earn ${b} per week from home, no experience needed
You are our lucky winner number {b}! Reply YES to get your prize
Limited offer: {p} for only ${k}, order before midnight
Hot deal!!! Buy {k} packs of diet pills and get one {p} free
Your parcel is on hold. Pay a fee of ${k} at the link to release it
Get a loan of ${b} today, bad credit is no problem
FREE trip to {c}! Send your card number to reserve a seat
Lose {k} pounds in one week with this secret tea
Act now, the bank of {c} owes you ${b}
Dear friend, a prince in {c} left ${b} for you
Cheap {p} replicas, {k} percent off, visit our shop now
Your phone has {k} viruses! Install this cleaner immediately
Make money fast with our {c} investment system, ${b} a week guaranteed
We noticed a login from {c}. Enter your card details to unlock your account
Your {p} order of ${b} was charged. Not you? Send us your password
You qualify for a ${b} government grant, apply with your bank number
Hot stock tip from {c}: buy now and gain {k} percent by {d}
Meet the miracle cream that removes {k} years, order your trial today
Casino bonus: deposit ${k} and play with ${b} right away
Reply with your PIN to receive the ${b} refund from {c}
Only {k} places left! Join the secret crypto club of {c}
Your cousin in {c} needs ${b} urgently, wire it by {d}
Exclusive: claim your ${b} gift card before {d}
Final notice: you must confirm your billing details to keep your {p}
Single people in {c} want to meet you tonight, join free
Win a brand new {p}, text WIN to {b}
Double your savings in {k} days, risk free, click here
""")
HAM = lines("""
Hi {n}, are we still meeting for lunch on {d}?
Can you bring the {w} when you come over tonight?
The meeting in {c} was moved to {k} o'clock, see you there
Thanks for the photos from {c}, they are lovely
Mom says dinner is ready, bring {n} with you
I left my {w} in your car, can I pick it up on {d}?
Running about {k} minutes late, sorry
{n} asked whether you finished the math homework for {d}
Happy birthday {n}! See you on {d}
The plumber is coming on {d} at {k}, please let him in
Don't forget to buy {k} eggs and some milk
My train from {c} gets in at {k}, no need to wait
Please find the notes from {d} attached, {n}
Did you see the game last night? {n} was so upset
Let's go hiking near {c} on {d} if it does not rain
The kids loved the {w}, thank you again {n}
I'll call you after work to talk about the trip to {c}
Your {p} is ready to be picked up at the repair shop, {n}
Could you water my plants while I am in {c}?
{n} and I are at the cafe, table {k}
Dr. {l} can see you on {d} at {k}, does that work?
I moved the {w} to the garage so {n} can paint the room
Grandma arrives from {c} on {d}, can you pick her up?
Are you free on {d}? {n} wants to borrow the {w}
Good luck with the exam on {d}, you will do great
We ran out of coffee, please buy some on your way home, {n}
The {c} office sent the slides, I will print {k} copies
Sorry I missed your call, I was in a class with {n}
The book club meets on {d} at {n}'s place
Your {w} looks great in the new flat, {n} says hi
""")
