"""More words, for the families only: the first 60 tasks rest on vocabulary.py as it is."""

NOUNS = """
acorn actor album alley almanac antler apron arrow badge bagel ballet bamboo banana barn barrel battery beach
beacon bean bear bell berry blossom board bonnet booklet border bowl box bracelet branch brick broth bubble
buffalo cabin cactus cage cake calendar cape captain card cave ceiling chapel chart cheek chest chicken
    chimney
circle clay cliff cloak clock cloud clover coal coast cobweb coconut coffee coin collar comb compass cork
    corner
couch cousin cradle crane crate cricket crow crown crumb cup cushion daisy dancer deck deer dentist desk dial
diamond diary dinner dish dock doll dough dove dragon dress duck dune eagle earring eel egg elbow elephant
emerald envelope fence fern ferry field fig finger fire flag flame flour flower foam fog fossil fox frame frog
fruit funnel fur gate ghost giraffe glass globe goat goose grape grass gravel guest gull hallway hand harp hat
hawk hedge heron hill hive hood hook horn horse hotel hour ink insect ivory jacket jam jar jewel jungle kernel
key king kite kitten knee knot lace lake lamb lamp lawn leaf lever lid lily lime lion lock log magnet map
    maple
mask mast meal melon menu mint mist mitten moon moss motor mouse mud mug museum mushroom napkin needle nest
    net
nurse oak oar ocean olive orchard ostrich oven owl ox oyster paint palm panda paper park pasta path peach pear
pebble pepper petal photo pie pine pipe pirate pocket pond pony pool potato pouch prism quail quarry queen
    quilt
rail rain ranch reef ring road robe robin roof root rug ruler sail sand satchel scale seal seed shark shed
    sheep
shell shield ship shoulder silk sky slipper snail snow soap soil song soup spade spark sponge squirrel stamp
star statue stem step stone storm street string sugar suit swan sword tail tape tea tent thread throne tiger
tile toad toast tomato tooth torch tower toy track trail tray tree trunk tulip turkey uncle umbrella valley
    vase
village vine violet wall wand wasp watch wave wheat wheel wind window wing wolf wood wool wren yarn yard zebra
""".split()
ADJECTIVES = """
absent awkward basic bold broad busy careful cheap clean clear clumsy cold common cosy cruel curly cute deep
    dense
dull early easy elegant exact fair famous fancy fat fierce fine firm flat frail frank free full funny fuzzy
    glad
grand green grey grim happy hard harsh high honest hot huge hungry large late lazy light little lonely long
    loose
loud lucky mad mild minor modest narrow neat new nice old open patient polite poor pretty proud pure purple
    rare
raw red rich ripe round royal rude sad safe salty shallow short shy silly simple slim slow small smooth sober
soft solid sore sour spare steep sticky stiff still strange strict strong sweet swift tall tame tense thick
    thin
tidy tight tired tough true ugly upset usual vague vain violet wet white wide wise wooden wrong
""".split()
VERBS = """
accept admire agree answer argue arrive ask attack bake bathe begin belong bend blink boil bounce bow breathe
bring brush build bury buzz call carry catch chase cheer chew choose chop claim clap climb close collapse comb
cook cough crawl cry dance dare decide defend demand deny dig dive draw dream drift drink drive drop earn
    eat enjoy
enter escape fail fall feed fetch fight fill find finish fix float fly fold follow forget forgive freeze fry
    give
glow greet grow guess guide hang happen hate heal heat help hide hop hope hug hunt hurry invite join jump kick
kneel knit knock know laugh lead lean learn leave lend lift like listen live look love mend mix move nod
    notice
obey offer open own pack paint park pass pause peel pick plan plant play point pour pray press pretend print
    pull
push race raise reach read refuse relax repeat reply rest return ride ring rise roll rub run save scold scream
scrub search seem sell send sew shake share shine shout shrug sigh sing sit skate sleep slide smell smile
    smoke
sneeze solve sort speak spend spill spin stand stare start stay steal stir stop study swallow sweep swim swing
talk taste teach tear tell thank think throw tie touch trade train trust try turn visit vote wait wake walk
    want
warn wash waste watch wave weep whistle win wink work worry wrap yawn yell
""".split()
