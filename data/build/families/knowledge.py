"""Facts and forms of words, from tables."""

from families.base import Family


def table(text: str) -> dict[str, str]:
    """Entries 'key: value' separated by bars or lines."""
    result = {}
    for entry in text.replace("\n", "|").split("|"):
        if entry.strip():
            key, value = entry.split(":")
            if key.strip() in result:
                raise ValueError(f"{key.strip()} twice")
            result[key.strip()] = value.strip()
    return result


def turned(words: dict[str, str]) -> dict[str, str]:
    values = list(words.values())
    return {value: key for key, value in words.items() if values.count(value) == 1}


FACT = Family(
    "fact",
    "knowledge",
    """
For {given}, write {what}.
Name {what}; the input is {given}.
Given {given}, give {what}.

In this task you are presented with {given}, and your goal is to write {what}.
You are given {given}; the goal of this task is to name {what}.
Given {given}, answer with {what}.

I'm preparing a quiz and need {what} for {given}.
I want a model that knows {what} when I enter {given}.
I always forget these things: for {given} I need {what}.

Input: {given}. Output: {what}.
Input: {given}, e.g. {before}. Output: {what}, e.g. {after}.

{Question}
Do you know {what}? I have {given}.

Provide {what} for the item supplied, {given}.
Retrieve {what} from general knowledge on {given}.

In a quiz show the host reads out {given} and asks: {question}
On a flash card {given} is printed; turn it over and read {what}.

For {before} one would say {after}; what is right here?
Reply with {what}, as a single entry without explanation.
""",
)
ELEMENTS = table("""
hydrogen: H | helium: He | lithium: Li | beryllium: Be | boron: B | carbon: C | nitrogen: N | oxygen: O
fluorine: F
neon: Ne | sodium: Na | magnesium: Mg | aluminum: Al | silicon: Si | phosphorus: P | sulfur: S | chlorine: Cl
argon: Ar | potassium: K | calcium: Ca | scandium: Sc | titanium: Ti | vanadium: V | chromium: Cr
manganese: Mn
iron: Fe | cobalt: Co | nickel: Ni | copper: Cu | zinc: Zn | gallium: Ga | germanium: Ge | arsenic: As
selenium: Se
bromine: Br | krypton: Kr | rubidium: Rb | strontium: Sr | silver: Ag | cadmium: Cd | tin: Sn | antimony: Sb
iodine: I | xenon: Xe | cesium: Cs | barium: Ba | tungsten: W | platinum: Pt | gold: Au | mercury: Hg
lead: Pb
bismuth: Bi | radon: Rn | radium: Ra | uranium: U | plutonium: Pu
""")
LANGUAGE = table("""
France: French | Germany: German | Italy: Italian | Portugal: Portuguese | Brazil: Portuguese
Mexico: Spanish
Argentina: Spanish | Russia: Russian | China: Chinese | Japan: Japanese | South Korea: Korean | Greece: Greek
Turkey: Turkish | Poland: Polish | Hungary: Hungarian | Sweden: Swedish | Norway: Norwegian | Denmark: Danish
Finland: Finnish | Iceland: Icelandic | Netherlands: Dutch | Egypt: Arabic | Morocco: Arabic | Israel: Hebrew
Iran: Persian | Thailand: Thai | Vietnam: Vietnamese | Czech Republic: Czech | Slovakia: Slovak
Romania: Romanian
Bulgaria: Bulgarian | Albania: Albanian | Croatia: Croatian | Slovenia: Slovene | Estonia: Estonian
Latvia: Latvian
Lithuania: Lithuanian | Ukraine: Ukrainian | Austria: German | Cuba: Spanish | Peru: Spanish | Chile: Spanish
Colombia: Spanish | Australia: English | Jamaica: English | Angola: Portuguese | Saudi Arabia: Arabic
Iraq: Arabic
Indonesia: Indonesian | Malaysia: Malay | Mongolia: Mongolian | Bangladesh: Bengali | Nepal: Nepali
Spain: Spanish
United Kingdom: English | Senegal: French | Tunisia: Arabic
""")
CONTINENT = table("""
Kenya: Africa | Ghana: Africa | Egypt: Africa | Morocco: Africa | Nigeria: Africa | Ethiopia: Africa
Mali: Africa
Senegal: Africa | Zambia: Africa | Angola: Africa | Japan: Asia | India: Asia | China: Asia | Vietnam: Asia
Thailand: Asia | Nepal: Asia | Mongolia: Asia | Iran: Asia | Pakistan: Asia | Jordan: Asia | Malaysia: Asia
France: Europe | Norway: Europe | Poland: Europe | Italy: Europe | Spain: Europe | Greece: Europe
Ireland: Europe
Austria: Europe | Belgium: Europe | Portugal: Europe | Finland: Europe | Peru: South America
Chile: South America
Brazil: South America | Bolivia: South America | Ecuador: South America | Uruguay: South America
Colombia: South America | Argentina: South America | Canada: North America | Mexico: North America
Cuba: North America | Guatemala: North America | Panama: North America | Jamaica: North America
United States: North America | Fiji: Oceania | New Zealand: Oceania | Samoa: Oceania | Tonga: Oceania
Vanuatu: Oceania | Papua New Guinea: Oceania
""")
DEMONYM = table("""
France: French | Germany: German | Italy: Italian | Spain: Spanish | Portugal: Portuguese | Poland: Polish
Greece: Greek | Turkey: Turkish | Sweden: Swedish | Norway: Norwegian | Denmark: Danish | Finland: Finnish
Iceland: Icelandic | Ireland: Irish | Scotland: Scottish | Wales: Welsh | England: English
Netherlands: Dutch
Belgium: Belgian | Switzerland: Swiss | Austria: Austrian | Hungary: Hungarian | Romania: Romanian
Bulgaria: Bulgarian | Russia: Russian | Ukraine: Ukrainian | China: Chinese | Japan: Japanese
Vietnam: Vietnamese
Thailand: Thai | India: Indian | Pakistan: Pakistani | Nepal: Nepalese | Iran: Iranian | Iraq: Iraqi
Israel: Israeli
Egypt: Egyptian | Morocco: Moroccan | Kenya: Kenyan | Ghana: Ghanaian | Nigeria: Nigerian
Ethiopia: Ethiopian
Canada: Canadian | Mexico: Mexican | Cuba: Cuban | Peru: Peruvian | Chile: Chilean | Brazil: Brazilian
Argentina: Argentine | Colombia: Colombian | Australia: Australian | Malta: Maltese | Lebanon: Lebanese
Cambodia: Cambodian | Mongolia: Mongolian | Croatia: Croatian | Albania: Albanian | Tunisia: Tunisian
""")
CAPITALS = table("""
Alabama: Montgomery | Alaska: Juneau | Arizona: Phoenix | Arkansas: Little Rock | California: Sacramento
Colorado: Denver | Connecticut: Hartford | Delaware: Dover | Florida: Tallahassee | Georgia: Atlanta
Hawaii: Honolulu | Idaho: Boise | Illinois: Springfield | Indiana: Indianapolis | Iowa: Des Moines
Kansas: Topeka
Kentucky: Frankfort | Louisiana: Baton Rouge | Maine: Augusta | Maryland: Annapolis | Massachusetts: Boston
Michigan: Lansing | Minnesota: Saint Paul | Mississippi: Jackson | Missouri: Jefferson City | Montana: Helena
Nebraska: Lincoln | Nevada: Carson City | New Hampshire: Concord | New Jersey: Trenton | New Mexico: Santa Fe
New York: Albany | North Carolina: Raleigh | North Dakota: Bismarck | Ohio: Columbus | Oklahoma: Oklahoma City
Oregon: Salem | Pennsylvania: Harrisburg | Rhode Island: Providence | South Carolina: Columbia
South Dakota: Pierre | Tennessee: Nashville | Texas: Austin | Utah: Salt Lake City | Vermont: Montpelier
Virginia: Richmond | Washington: Olympia | West Virginia: Charleston | Wisconsin: Madison | Wyoming: Cheyenne
""")
STATE_CODES = table("""
Alabama: AL | Alaska: AK | Arizona: AZ | Arkansas: AR | California: CA | Colorado: CO | Connecticut: CT
Delaware: DE
Florida: FL | Georgia: GA | Hawaii: HI | Idaho: ID | Illinois: IL | Indiana: IN | Iowa: IA | Kansas: KS
Kentucky: KY
Louisiana: LA | Maine: ME | Maryland: MD | Massachusetts: MA | Michigan: MI | Minnesota: MN | Mississippi: MS
Missouri: MO | Montana: MT | Nebraska: NE | Nevada: NV | New Hampshire: NH | New Jersey: NJ | New Mexico: NM
New York: NY | North Carolina: NC | North Dakota: ND | Ohio: OH | Oklahoma: OK | Oregon: OR | Pennsylvania: PA
Rhode Island: RI | South Carolina: SC | South Dakota: SD | Tennessee: TN | Texas: TX | Utah: UT | Vermont: VT
Virginia: VA | Washington: WA | West Virginia: WV | Wisconsin: WI | Wyoming: WY
""")
COUNTRY_CODES = table("""
France: FR | Germany: DE | Italy: IT | Spain: ES | Portugal: PT | Poland: PL | Greece: GR | Turkey: TR
Sweden: SE
Norway: NO | Denmark: DK | Finland: FI | Iceland: IS | Ireland: IE | Netherlands: NL | Belgium: BE
Switzerland: CH
Austria: AT | Hungary: HU | Romania: RO | Bulgaria: BG | Russia: RU | Ukraine: UA | China: CN | Japan: JP
Vietnam: VN | Thailand: TH | India: IN | Pakistan: PK | Nepal: NP | Iran: IR | Iraq: IQ | Israel: IL
Egypt: EG
Morocco: MA | Kenya: KE | Ghana: GH | Nigeria: NG | Canada: CA | Mexico: MX | Cuba: CU | Peru: PE | Chile: CL
Brazil: BR | Argentina: AR | Colombia: CO | Australia: AU | New Zealand: NZ | Malta: MT | Lebanon: LB
""")
YOUNG = table("""
dog: puppy | cat: kitten | cow: calf | horse: foal | sheep: lamb | goat: kid | pig: piglet | hen: chick
duck: duckling | goose: gosling | swan: cygnet | lion: cub | bear: cub | tiger: cub | fox: cub | deer: fawn
kangaroo: joey | koala: joey | frog: tadpole | butterfly: caterpillar | eagle: eaglet | owl: owlet
elephant: calf
whale: calf | giraffe: calf | dolphin: calf | seal: pup | shark: pup | wolf: pup | otter: pup | bat: pup
hare: leveret
human: baby | zebra: foal | donkey: foal | hippopotamus: calf | rhinoceros: calf | moose: calf | leopard: cub
spider: spiderling | rabbit: kit | salmon: fry
""")
SOUND = table("""
dog: bark | cat: meow | cow: moo | horse: neigh | sheep: baa | pig: oink | duck: quack | hen: cluck
rooster: crow
lion: roar | wolf: howl | frog: croak | snake: hiss | bee: buzz | mouse: squeak | donkey: bray | owl: hoot
turkey: gobble | elephant: trumpet | goose: honk | sparrow: chirp | pigeon: coo | crow: caw | cricket: chirp
bear: growl | tiger: roar | goat: bleat | monkey: chatter | fly: buzz | hyena: laugh | canary: sing
mosquito: buzz
dove: coo | raven: caw | lamb: baa | pony: neigh | kitten: meow | puppy: bark
""")
TOOL = table("""
carpenter: hammer | painter: brush | writer: pen | photographer: camera | barber: scissors | cook: pan
lumberjack: axe | fisherman: net | surgeon: scalpel | doctor: stethoscope | tailor: needle | gardener: rake
farmer: plow | astronomer: telescope | biologist: microscope | plumber: wrench | teacher: chalk
violinist: bow
drummer: drumsticks | sculptor: chisel | archer: bow | knight: sword | firefighter: hose | librarian: book
miner: pickaxe | baker: oven | blacksmith: anvil | cleaner: broom | chimney sweep: brush | dentist: drill
hunter: rifle | hiker: map | sailor: compass | judge: gavel | conductor: baton | waiter: tray | cowboy: lasso
weaver: loom | potter: wheel | welder: torch | mason: trowel | secretary: keyboard | diver: flippers
magician: wand
""")
PARTICIPLE = table("""
go: gone | see: seen | eat: eaten | write: written | take: taken | give: given | break: broken | speak: spoken
choose: chosen | drive: driven | ride: ridden | rise: risen | fall: fallen | forget: forgotten
freeze: frozen
hide: hidden | know: known | grow: grown | throw: thrown | fly: flown | draw: drawn | blow: blown | wear: worn
tear: torn | swear: sworn | steal: stolen | wake: woken | bite: bitten | begin: begun | drink: drunk
sing: sung
swim: swum | ring: rung | sink: sunk | come: come | run: run | do: done | be: been | have: had | make: made
say: said | tell: told | sell: sold | find: found | keep: kept | sleep: slept | feel: felt | leave: left
lose: lost
send: sent | spend: spent | build: built | buy: bought | bring: brought | think: thought | teach: taught
catch: caught
hold: held | stand: stood | understand: understood | cut: cut | put: put | shake: shaken | mistake: mistaken
""")
COMPARATIVE = table("""
big: bigger | small: smaller | tall: taller | short: shorter | long: longer | fast: faster | slow: slower
happy: happier | sad: sadder | hot: hotter | cold: colder | warm: warmer | good: better | bad: worse
far: farther
old: older | young: younger | easy: easier | hard: harder | heavy: heavier | light: lighter | dark: darker
bright: brighter | clean: cleaner | dirty: dirtier | rich: richer | poor: poorer | strong: stronger
weak: weaker
thin: thinner | thick: thicker | fat: fatter | wet: wetter | dry: drier | noisy: noisier | quiet: quieter
loud: louder
soft: softer | sweet: sweeter | wide: wider | narrow: narrower | deep: deeper | high: higher | low: lower
near: nearer
cheap: cheaper | busy: busier | lazy: lazier | funny: funnier | angry: angrier | pretty: prettier
early: earlier
late: later | nice: nicer | large: larger | brave: braver | safe: safer | wise: wiser | kind: kinder
cruel: crueler
""")
SUPERLATIVE = {k: v.removesuffix("r") + "st" for k, v in COMPARATIVE.items() if k not in ("good", "bad")} | {
    "good": "best",
    "bad": "worst",
}
OPPOSITE = table("""
hot: cold | big: small | tall: short | fast: slow | happy: sad | rich: poor | strong: weak | young: old
full: empty
clean: dirty | wet: dry | light: dark | high: low | hard: soft | early: late | open: closed | good: bad
true: false
thick: thin | wide: narrow | near: far | day: night | summer: winter | left: right | up: down | in: out
on: off
win: lose | buy: sell | give: take | push: pull | start: stop | laugh: cry | love: hate | first: last
inside: outside
above: below | before: after | always: never | friend: enemy | question: answer | war: peace | north: south
east: west
loud: quiet | cheap: expensive | easy: difficult | brave: cowardly | deep: shallow | sweet: sour
entrance: exit
success: failure | arrive: depart | remember: forget | top: bottom | beginning: end | rise: fall
heaven: hell
king: queen | husband: wife | safe: dangerous | smooth: rough | tight: loose | guilty: innocent
""")
ADVERB = table("""
quick: quickly | slow: slowly | happy: happily | easy: easily | careful: carefully | beautiful: beautifully
good: well | fast: fast | gentle: gently | simple: simply | angry: angrily | loud: loudly | quiet: quietly
bad: badly
brave: bravely | proud: proudly | sudden: suddenly | nervous: nervously | polite: politely | rude: rudely
honest: honestly | full: fully | true: truly | terrible: terribly | possible: possibly | lucky: luckily
heavy: heavily
noisy: noisily | lazy: lazily | warm: warmly | cold: coldly | deep: deeply | clear: clearly | safe: safely
wise: wisely | sad: sadly | kind: kindly | serious: seriously | usual: usually | final: finally
basic: basically
automatic: automatically | tragic: tragically | perfect: perfectly | exact: exactly | equal: equally
greedy: greedily
hungry: hungrily | patient: patiently | soft: softly
""")
AGENT = table("""
teach: teacher | write: writer | sing: singer | drive: driver | run: runner | swim: swimmer | bake: baker
paint: painter | dance: dancer | farm: farmer | hunt: hunter | read: reader | speak: speaker | build: builder
win: winner | begin: beginner | act: actor | direct: director | edit: editor | invent: inventor
visit: visitor
sail: sailor | collect: collector | translate: translator | create: creator | conduct: conductor
play: player
work: worker | lead: leader | help: helper | travel: traveler | buy: buyer | sell: seller | rob: robber
rule: ruler
manage: manager | train: trainer | design: designer | explore: explorer | murder: murderer | clean: cleaner
wait: waiter | garden: gardener | listen: listener | think: thinker | own: owner | lie: liar | beg: beggar
assist: assistant | study: student | instruct: instructor | inspect: inspector
""")
NOUN_TO_ADJECTIVE = table("""
danger: dangerous | beauty: beautiful | sun: sunny | rain: rainy | cloud: cloudy | wind: windy | fame: famous
joy: joyful | care: careful | use: useful | hope: hopeful | color: colorful | peace: peaceful | pain: painful
health: healthy | wealth: wealthy | noise: noisy | dirt: dirty | salt: salty | luck: lucky | hunger: hungry
thirst: thirsty | anger: angry | poison: poisonous | mystery: mysterious | courage: courageous
nature: natural
music: musical | magic: magical | nation: national | history: historical | center: central | fog: foggy
ice: icy
wood: wooden | gold: golden | wool: woolen | child: childish | fool: foolish | self: selfish
friend: friendly
day: daily | week: weekly | year: yearly | month: monthly | love: lovely | hero: heroic | poet: poetic
value: valuable
comfort: comfortable | fashion: fashionable | power: powerful | success: successful | truth: true
pride: proud
""")
ADJECTIVE_TO_NOUN = table("""
happy: happiness | sad: sadness | kind: kindness | dark: darkness | weak: weakness | ill: illness
strong: strength
long: length | wide: width | deep: depth | warm: warmth | high: height | true: truth | young: youth
brave: bravery
free: freedom | wise: wisdom | bored: boredom | honest: honesty | safe: safety | cruel: cruelty
loyal: loyalty
poor: poverty | beautiful: beauty | angry: anger | hungry: hunger | thirsty: thirst | proud: pride
able: ability
real: reality | equal: equality | possible: possibility | curious: curiosity | generous: generosity
patient: patience
silent: silence | absent: absence | different: difference | important: importance | distant: distance
hot: heat
lazy: laziness | lonely: loneliness | rude: rudeness | sick: sickness | soft: softness | sweet: sweetness
dangerous: danger | famous: fame | popular: popularity | certain: certainty | clear: clarity
""")
FEMININE = table("""
king: queen | prince: princess | father: mother | brother: sister | son: daughter | uncle: aunt
nephew: niece
husband: wife | man: woman | boy: girl | grandfather: grandmother | grandson: granddaughter | actor: actress
waiter: waitress | host: hostess | god: goddess | hero: heroine | duke: duchess | wizard: witch | monk: nun
bull: cow | rooster: hen | stallion: mare | ram: ewe | drake: duck | gander: goose | lion: lioness
tiger: tigress
heir: heiress | steward: stewardess | emperor: empress | count: countess | baron: baroness | groom: bride
gentleman: lady | sir: madam | stepfather: stepmother | dad: mom | policeman: policewoman | widower: widow
""")
PLURAL = table("""
child: children | man: men | woman: women | foot: feet | tooth: teeth | mouse: mice | goose: geese | ox: oxen
person: people | knife: knives | wife: wives | life: lives | leaf: leaves | wolf: wolves | shelf: shelves
half: halves
thief: thieves | loaf: loaves | calf: calves | potato: potatoes | tomato: tomatoes | hero: heroes
echo: echoes
baby: babies | city: cities | lady: ladies | story: stories | party: parties | country: countries
berry: berries
box: boxes | fox: foxes | bus: buses | glass: glasses | dish: dishes | watch: watches | church: churches
sheep: sheep
deer: deer | fish: fish | louse: lice | cactus: cacti | crisis: crises | analysis: analyses | roof: roofs
piano: pianos
toy: toys | key: keys | monkey: monkeys | day: days | photo: photos | scarf: scarves | elf: elves
dwarf: dwarfs
""")
ING = table("""
run: running | sit: sitting | swim: swimming | make: making | take: taking | write: writing | lie: lying
die: dying
tie: tying | see: seeing | agree: agreeing | stop: stopping | plan: planning | get: getting | put: putting
cut: cutting
begin: beginning | forget: forgetting | open: opening | visit: visiting | listen: listening | play: playing
carry: carrying | study: studying | cry: crying | dance: dancing | love: loving | smile: smiling
drive: driving
ride: riding | bake: baking | come: coming | give: giving | have: having | leave: leaving | hope: hoping
hop: hopping
win: winning | dig: digging | shop: shopping | clap: clapping | chat: chatting | eat: eating | read: reading
sleep: sleeping | speak: speaking | wait: waiting | look: looking | fix: fixing | mix: mixing | show: showing
panic: panicking | be: being | travel: traveling | picnic: picnicking | shut: shutting
""")
THIRD = table("""
go: goes | do: does | have: has | be: is | watch: watches | teach: teaches | wash: washes | push: pushes
pass: passes
miss: misses | fix: fixes | mix: mixes | cry: cries | fly: flies | try: tries | carry: carries
study: studies
worry: worries | play: plays | buy: buys | say: says | enjoy: enjoys | eat: eats | read: reads | write: writes
run: runs | sing: sings | make: makes | take: takes | give: gives | catch: catches | kiss: kisses
dress: dresses
brush: brushes | finish: finishes | hurry: hurries | marry: marries | copy: copies | dry: dries | fry: fries
buzz: buzzes | stay: stays | pay: pays | know: knows | see: sees | agree: agrees | echo: echoes | veto: vetoes
""")
BRITISH = table("""
color: colour | honor: honour | favor: favour | flavor: flavour | labor: labour | neighbor: neighbour
humor: humour
rumor: rumour | harbor: harbour | center: centre | theater: theatre | meter: metre | liter: litre
fiber: fibre
organize: organise | realize: realise | recognize: recognise | apologize: apologise | analyze: analyse
traveled: travelled | canceled: cancelled | modeling: modelling | jewelry: jewellery | gray: grey
pajamas: pyjamas
tire: tyre | plow: plough | catalog: catalogue | dialog: dialogue | defense: defence | offense: offence
license: licence | aluminum: aluminium | mustache: moustache | skeptical: sceptical | fulfill: fulfil
enroll: enrol
mold: mould | odor: odour | parlor: parlour | savior: saviour | somber: sombre | specter: spectre
vapor: vapour
behavior: behaviour | candor: candour | armor: armour | rigor: rigour | traveler: traveller
paralyze: paralyse
""")
BRITISH_WORD = table("""
elevator: lift | apartment: flat | truck: lorry | cookie: biscuit | candy: sweets | fall: autumn
gasoline: petrol
sidewalk: pavement | vacation: holiday | diaper: nappy | flashlight: torch | faucet: tap | soccer: football
french fries: chips | potato chips: crisps | trash can: dustbin | sweater: jumper | pants: trousers
subway: underground
mailbox: postbox | eggplant: aubergine | zucchini: courgette | closet: wardrobe | cell phone: mobile phone
mailman: postman | movie theater: cinema | sneakers: trainers | stove: cooker | stroller: pushchair
eraser: rubber
freeway: motorway | parking lot: car park | drugstore: chemist | garbage: rubbish | zipper: zip
hood of a car: bonnet
trunk of a car: boot | railroad: railway | line of people: queue | mom: mum | math: maths
cotton candy: candyfloss
""")
GROUP = table("""
wolves: pack | sheep: flock | cows: herd | fish: school | bees: swarm | lions: pride | geese: gaggle
ants: colony
whales: pod | elephants: herd | birds: flock | puppies: litter | dolphins: pod | horses: herd | sailors: crew
singers: choir | soldiers: army | musicians: orchestra | players: team | pupils: class | flowers: bouquet
grapes: bunch | keys: bunch | cards: deck | ships: fleet | stars: galaxy | trees: forest
islands: archipelago
thieves: gang | actors: cast | mountains: range | steps: staircase | bananas: bunch | kittens: litter
locusts: swarm
worshipers: congregation | books: library | stairs: flight | crows: murder | jurors: jury
""")
HOME = table("""
bee: hive | bird: nest | dog: kennel | horse: stable | spider: web | lion: den | rabbit: burrow | bear: cave
pig: sty
cow: barn | hen: coop | ant: anthill | beaver: lodge | snail: shell | eagle: eyrie | fox: den | mouse: hole
mole: tunnel
king: palace | monk: monastery | nun: convent | soldier: barracks | prisoner: cell | knight: castle
camper: tent
student: dormitory | sailor: ship | astronaut: space station | goldfish: bowl | canary: cage | sheep: fold
owl: tree hollow | wasp: nest | nomad: tent | vampire: coffin | president: residence
""")
COLOR_OF = table("""
banana: yellow | grass: green | sky: blue | snow: white | coal: black | blood: red | lemon: yellow
carrot: orange
tomato: red | cucumber: green | milk: white | chocolate: brown | strawberry: red | pumpkin: orange
crow: black
flamingo: pink | frog: green | elephant: gray | canary: yellow | polar bear: white | ketchup: red
mustard: yellow
sapphire: blue | emerald: green | ruby: red | amethyst: purple | eggplant: purple | cherry: red
spinach: green
ocean: blue | sunflower: yellow | fire engine: red | salt: white | tar: black | ash: gray | coffee bean: brown
broccoli: green | raspberry: red | lavender: purple | sugar: white | ivory: white | soot: black | lime: green
tree bark: brown | chick: yellow | swan: white | mouse: gray | raven: black | ladybug: red
basketball: orange
""")
MONTH_OF = table("""
New Year's Day: January | Valentine's Day: February | Saint Patrick's Day: March | April Fools' Day: April
International Workers' Day: May | Halloween: October | Christmas: December | Independence Day (USA): July
Bastille Day: July | Thanksgiving (USA): November | Labor Day (USA): September | Mother's Day (USA): May
Father's Day (USA): June | Earth Day: April | International Women's Day: March | Christmas Eve: December
New Year's Eve: December | Veterans Day (USA): November | Groundhog Day: February | Guy Fawkes Night: November
Boxing Day: December | All Saints' Day: November | Canada Day: July | Australia Day: January
Epiphany: January
Columbus Day (USA): October | Memorial Day (USA): May | Presidents' Day (USA): February | Pi Day: March
Oktoberfest begins: September | summer solstice (north): June | winter solstice (north): December
spring equinox (north): March | autumn equinox (north): September | Saint Nicholas Day: December
Cinco de Mayo: May | Burns Night: January | Star Wars Day: May | International Children's Day: June
German Unity Day: October
""")
ABBREVIATION = table("""
kilogram: kg | gram: g | kilometer: km | meter: m | centimeter: cm | millimeter: mm | liter: l
milliliter: ml
hour: h | minute: min | second: s | degree Celsius: °C | kilowatt: kW | megabyte: MB | gigabyte: GB
kilobyte: kB
Doctor: Dr. | Mister: Mr. | Saint: St. | Street: St | Avenue: Ave. | Road: Rd. | Junior: Jr. | Senior: Sr.
versus: vs.
et cetera: etc. | for example: e.g. | that is: i.e. | as soon as possible: ASAP | kilometers per hour: km/h
number: No. | department: dept. | January: Jan. | February: Feb. | August: Aug. | December: Dec.
Monday: Mon.
Wednesday: Wed. | Friday: Fri. | foot: ft | inch: in | pound: lb | ounce: oz | Professor: Prof.
television: TV
identification: ID | personal computer: PC | very important person: VIP | do it yourself: DIY
frequently asked questions: FAQ | United Nations: UN | European Union: EU | miles per hour: mph
""")
FACTS: tuple[tuple[str, dict[str, str], str, str, str, bool], ...] = (
    (
        "element_symbol",
        ELEMENTS,
        "the name of a chemical element",
        "its symbol",
        "What is its symbol?",
        False,
    ),
    (
        "symbol_element",
        turned(ELEMENTS),
        "the symbol of a chemical element",
        "the name of the element",
        "Which element is it?",
        True,
    ),
    (
        "country_language",
        LANGUAGE,
        "a country",
        "its main language",
        "What do most people speak there?",
        False,
    ),
    ("country_continent", CONTINENT, "a country", "its continent", "On which continent is it?", False),
    (
        "country_adjective",
        DEMONYM,
        "a country",
        "the adjective for it",
        "What are things from there called?",
        False,
    ),
    (
        "adjective_country",
        turned(DEMONYM),
        "the adjective of a country",
        "the country",
        "Where do things called that come from?",
        False,
    ),
    ("state_capital", CAPITALS, "a state of the USA", "its capital", "Which city is its capital?", False),
    (
        "capital_state",
        turned(CAPITALS),
        "a state capital of the USA",
        "the state",
        "Of which state is it the capital?",
        True,
    ),
    (
        "state_code",
        STATE_CODES,
        "a state of the USA",
        "its two-letter postal code",
        "Which two letters stand for it in an address?",
        False,
    ),
    (
        "country_code",
        COUNTRY_CODES,
        "a country",
        "its two-letter ISO code",
        "Which two letters stand for it?",
        True,
    ),
    ("animal_young", YOUNG, "an animal", "the word for its young", "What is its baby called?", False),
    ("animal_sound", SOUND, "an animal", "the sound it makes", "How does it sound?", False),
    ("dweller_home", HOME, "an animal or a person", "the place where it lives", "Where does it live?", False),
    ("profession_tool", TOOL, "a profession", "a typical tool for it", "What does one hold at work?", False),
    (
        "group_word",
        GROUP,
        "the plural of a creature or thing",
        "the word for a group of them",
        "What is a number of them called?",
        False,
    ),
    (
        "color_of_thing",
        COLOR_OF,
        "a thing with a typical color",
        "its color",
        "Which color does it have?",
        False,
    ),
    (
        "month_of_holiday",
        MONTH_OF,
        "a holiday or yearly event",
        "the month of it",
        "In which month is it?",
        False,
    ),
    (
        "abbreviation",
        ABBREVIATION,
        "a word or phrase",
        "its usual abbreviation",
        "How is it shortened?",
        False,
    ),
    (
        "abbreviation_expanded",
        turned(ABBREVIATION),
        "an abbreviation",
        "the full word or phrase",
        "What does it stand for?",
        False,
    ),
    (
        "british_word",
        BRITISH_WORD,
        "an American word",
        "the British word for it",
        "What do the British call it?",
        False,
    ),
)
for name, words, given, what, question, held_out in FACTS:
    before, after = next(iter(words.items()))
    FACT.add_table(
        name, words, held_out=held_out, given=given, what=what, question=question, before=before, after=after
    )

WORD_FORM = Family(
    "word_form",
    "knowledge",
    """
Write {what}.
Form {what}.

In this task you are presented with {given}, and your goal is to write {what}.
You are given {given}; the goal of this task is to form {what}.

I'm practicing English grammar and need {what} of each word.
I want {what} for every word I look up.

Input: {given}. Output: {what}.
Input: {given} such as {before}. Output: {what}, such as {after}.

{Before} turns into {after}; and this?
{What}, please.

Inflect or derive: supply {what} of the term.
Produce {what} corresponding to the lexical item.

Fill the last column of the grammar table, headed '{heading}'.
The teacher says {before}, the pupil says {after}. What does the pupil say now?

Irregular words have to be right too; write {what}.
By the pattern {before}, {after}: give {what}.
""",
)
FORMS: tuple[tuple[str, dict[str, str], str, str, str, bool], ...] = (
    ("past_participle", PARTICIPLE, "a verb", "its past participle", "past participle", False),
    ("participle_to_verb", turned(PARTICIPLE), "a past participle", "its infinitive", "infinitive", True),
    ("ing_form", ING, "a verb", "its -ing form", "-ing form", False),
    ("third_person_form", THIRD, "a verb", "its third person singular", "he, she, it", False),
    ("comparative", COMPARATIVE, "an adjective", "its comparative", "comparative", False),
    ("superlative", SUPERLATIVE, "an adjective", "its superlative", "superlative", True),
    ("positive_form", turned(COMPARATIVE), "a comparative", "its basic form", "positive", False),
    ("opposite", OPPOSITE, "a word", "its opposite", "opposite", False),
    ("adverb", ADVERB, "an adjective", "its adverb", "adverb", False),
    ("agent_noun", AGENT, "a verb", "its word for the person who does it", "person", False),
    ("noun_to_adjective", NOUN_TO_ADJECTIVE, "a noun", "its adjective", "adjective", False),
    ("adjective_to_noun", ADJECTIVE_TO_NOUN, "an adjective", "its abstract noun", "noun", False),
    ("feminine_form", FEMININE, "a male person or animal", "its female counterpart", "female", False),
    ("irregular_plural", PLURAL, "a noun", "its plural", "plural", False),
    ("singular_form", turned(PLURAL), "a plural noun", "its singular", "singular", False),
    ("british_spelling", BRITISH, "a word in American spelling", "its British spelling", "British", False),
    (
        "american_spelling",
        turned(BRITISH),
        "a word in British spelling",
        "its American spelling",
        "American",
        True,
    ),
)
for name, words, given, what, heading, held_out in FORMS:
    before, after = next(iter(words.items()))
    WORD_FORM.add_table(
        name, words, held_out=held_out, given=given, what=what, heading=heading, before=before, after=after
    )
