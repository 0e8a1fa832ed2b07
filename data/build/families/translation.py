"""Words and numbers between English and five other languages. Nouns stand without articles."""

from families.base import Family
from families.formats import upto

LANGUAGES = ("German", "French", "Italian", "Portuguese", "Dutch")
# English | German | French | Italian | Portuguese | Dutch
ANIMALS = """
dog | Hund | chien | cane | cão | hond
cat | Katze | chat | gatto | gato | kat
horse | Pferd | cheval | cavallo | cavalo | paard
cow | Kuh | vache | mucca | vaca | koe
pig | Schwein | cochon | maiale | porco | varken
sheep | Schaf | mouton | pecora | ovelha | schaap
goat | Ziege | chèvre | capra | cabra | geit
donkey | Esel | âne | asino | burro | ezel
bird | Vogel | oiseau | uccello | pássaro | vogel
duck | Ente | canard | anatra | pato | eend
goose | Gans | oie | oca | ganso | gans
hen | Henne | poule | gallina | galinha | kip
fish | Fisch | poisson | pesce | peixe | vis
shark | Hai | requin | squalo | tubarão | haai
whale | Wal | baleine | balena | baleia | walvis
dolphin | Delfin | dauphin | delfino | golfinho | dolfijn
mouse | Maus | souris | topo | rato | muis
rabbit | Kaninchen | lapin | coniglio | coelho | konijn
bear | Bär | ours | orso | urso | beer
wolf | Wolf | loup | lupo | lobo | wolf
fox | Fuchs | renard | volpe | raposa | vos
lion | Löwe | lion | leone | leão | leeuw
tiger | Tiger | tigre | tigre | tigre | tijger
elephant | Elefant | éléphant | elefante | elefante | olifant
monkey | Affe | singe | scimmia | macaco | aap
camel | Kamel | chameau | cammello | camelo | kameel
deer | Hirsch | cerf | cervo | veado | hert
snake | Schlange | serpent | serpente | cobra | slang
frog | Frosch | grenouille | rana | rã | kikker
turtle | Schildkröte | tortue | tartaruga | tartaruga | schildpad
spider | Spinne | araignée | ragno | aranha | spin
ant | Ameise | fourmi | formica | formiga | mier
bee | Biene | abeille | ape | abelha | bij
fly | Fliege | mouche | mosca | mosca | vlieg
butterfly | Schmetterling | papillon | farfalla | borboleta | vlinder
owl | Eule | hibou | gufo | coruja | uil
eagle | Adler | aigle | aquila | águia | adelaar
swan | Schwan | cygne | cigno | cisne | zwaan
snail | Schnecke | escargot | lumaca | caracol | slak
squirrel | Eichhörnchen | écureuil | scoiattolo | esquilo | eekhoorn
hedgehog | Igel | hérisson | riccio | ouriço | egel
bat | Fledermaus | chauve-souris | pipistrello | morcego | vleermuis
"""
FOODS = """
bread | Brot | pain | pane | pão | brood
butter | Butter | beurre | burro | manteiga | boter
cheese | Käse | fromage | formaggio | queijo | kaas
milk | Milch | lait | latte | leite | melk
water | Wasser | eau | acqua | água | water
wine | Wein | vin | vino | vinho | wijn
beer | Bier | bière | birra | cerveja | bier
coffee | Kaffee | café | caffè | café | koffie
tea | Tee | thé | tè | chá | thee
juice | Saft | jus | succo | suco | sap
sugar | Zucker | sucre | zucchero | açúcar | suiker
salt | Salz | sel | sale | sal | zout
pepper | Pfeffer | poivre | pepe | pimenta | peper
oil | Öl | huile | olio | óleo | olie
vinegar | Essig | vinaigre | aceto | vinagre | azijn
honey | Honig | miel | miele | mel | honing
egg | Ei | œuf | uovo | ovo | ei
meat | Fleisch | viande | carne | carne | vlees
ham | Schinken | jambon | prosciutto | presunto | ham
sausage | Wurst | saucisse | salsiccia | salsicha | worst
soup | Suppe | soupe | zuppa | sopa | soep
salad | Salat | salade | insalata | salada | salade
rice | Reis | riz | riso | arroz | rijst
flour | Mehl | farine | farina | farinha | meel
cake | Kuchen | gâteau | torta | bolo | taart
apple | Apfel | pomme | mela | maçã | appel
pear | Birne | poire | pera | pera | peer
cherry | Kirsche | cerise | ciliegia | cereja | kers
strawberry | Erdbeere | fraise | fragola | morango | aardbei
lemon | Zitrone | citron | limone | limão | citroen
orange | Orange | orange | arancia | laranja | sinaasappel
banana | Banane | banane | banana | banana | banaan
grape | Traube | raisin | uva | uva | druif
peach | Pfirsich | pêche | pesca | pêssego | perzik
melon | Melone | melon | melone | melão | meloen
potato | Kartoffel | pomme de terre | patata | batata | aardappel
tomato | Tomate | tomate | pomodoro | tomate | tomaat
onion | Zwiebel | oignon | cipolla | cebola | ui
garlic | Knoblauch | ail | aglio | alho | knoflook
carrot | Karotte | carotte | carota | cenoura | wortel
cabbage | Kohl | chou | cavolo | repolho | kool
bean | Bohne | haricot | fagiolo | feijão | boon
pea | Erbse | pois | pisello | ervilha | erwt
mushroom | Pilz | champignon | fungo | cogumelo | paddenstoel
nut | Nuss | noix | noce | noz | noot
"""
THINGS = """
house | Haus | maison | casa | casa | huis
door | Tür | porte | porta | porta | deur
window | Fenster | fenêtre | finestra | janela | raam
wall | Wand | mur | muro | parede | muur
roof | Dach | toit | tetto | telhado | dak
kitchen | Küche | cuisine | cucina | cozinha | keuken
garden | Garten | jardin | giardino | jardim | tuin
table | Tisch | table | tavolo | mesa | tafel
chair | Stuhl | chaise | sedia | cadeira | stoel
bed | Bett | lit | letto | cama | bed
lamp | Lampe | lampe | lampada | lâmpada | lamp
mirror | Spiegel | miroir | specchio | espelho | spiegel
key | Schlüssel | clé | chiave | chave | sleutel
book | Buch | livre | libro | livro | boek
letter | Brief | lettre | lettera | carta | brief
pencil | Bleistift | crayon | matita | lápis | potlood
paper | Papier | papier | carta | papel | papier
bag | Tasche | sac | borsa | bolsa | tas
bottle | Flasche | bouteille | bottiglia | garrafa | fles
glass | Glas | verre | bicchiere | copo | glas
plate | Teller | assiette | piatto | prato | bord
knife | Messer | couteau | coltello | faca | mes
fork | Gabel | fourchette | forchetta | garfo | vork
spoon | Löffel | cuillère | cucchiaio | colher | lepel
car | Auto | voiture | macchina | carro | auto
ship | Schiff | bateau | nave | navio | schip
train | Zug | train | treno | trem | trein
bridge | Brücke | pont | ponte | ponte | brug
street | Straße | rue | strada | rua | straat
school | Schule | école | scuola | escola | school
church | Kirche | église | chiesa | igreja | kerk
shoe | Schuh | chaussure | scarpa | sapato | schoen
shirt | Hemd | chemise | camicia | camisa | overhemd
hat | Hut | chapeau | cappello | chapéu | hoed
head | Kopf | tête | testa | cabeça | hoofd
eye | Auge | œil | occhio | olho | oog
ear | Ohr | oreille | orecchio | orelha | oor
nose | Nase | nez | naso | nariz | neus
mouth | Mund | bouche | bocca | boca | mond
hand | Hand | main | mano | mão | hand
foot | Fuß | pied | piede | pé | voet
heart | Herz | cœur | cuore | coração | hart
sun | Sonne | soleil | sole | sol | zon
moon | Mond | lune | luna | lua | maan
star | Stern | étoile | stella | estrela | ster
sky | Himmel | ciel | cielo | céu | hemel
rain | Regen | pluie | pioggia | chuva | regen
snow | Schnee | neige | neve | neve | sneeuw
wind | Wind | vent | vento | vento | wind
tree | Baum | arbre | albero | árvore | boom
flower | Blume | fleur | fiore | flor | bloem
leaf | Blatt | feuille | foglia | folha | blad
forest | Wald | forêt | foresta | floresta | bos
river | Fluss | fleuve | fiume | rio | rivier
sea | Meer | mer | mare | mar | zee
mountain | Berg | montagne | montagna | montanha | berg
stone | Stein | pierre | pietra | pedra | steen
fire | Feuer | feu | fuoco | fogo | vuur
"""
PEOPLE_AND_TIME = """
mother | Mutter | mère | madre | mãe | moeder
father | Vater | père | padre | pai | vader
sister | Schwester | sœur | sorella | irmã | zus
brother | Bruder | frère | fratello | irmão | broer
daughter | Tochter | fille | figlia | filha | dochter
son | Sohn | fils | figlio | filho | zoon
aunt | Tante | tante | zia | tia | tante
uncle | Onkel | oncle | zio | tio | oom
child | Kind | enfant | bambino | criança | kind
man | Mann | homme | uomo | homem | man
woman | Frau | femme | donna | mulher | vrouw
king | König | roi | re | rei | koning
queen | Königin | reine | regina | rainha | koningin
friend | Freund | ami | amico | amigo | vriend
neighbor | Nachbar | voisin | vicino | vizinho | buurman
day | Tag | jour | giorno | dia | dag
night | Nacht | nuit | notte | noite | nacht
morning | Morgen | matin | mattina | manhã | ochtend
evening | Abend | soir | sera | noite | avond
week | Woche | semaine | settimana | semana | week
month | Monat | mois | mese | mês | maand
year | Jahr | année | anno | ano | jaar
hour | Stunde | heure | ora | hora | uur
minute | Minute | minute | minuto | minuto | minuut
Monday | Montag | lundi | lunedì | segunda-feira | maandag
Tuesday | Dienstag | mardi | martedì | terça-feira | dinsdag
Wednesday | Mittwoch | mercredi | mercoledì | quarta-feira | woensdag
Thursday | Donnerstag | jeudi | giovedì | quinta-feira | donderdag
Friday | Freitag | vendredi | venerdì | sexta-feira | vrijdag
Saturday | Samstag | samedi | sabato | sábado | zaterdag
Sunday | Sonntag | dimanche | domenica | domingo | zondag
January | Januar | janvier | gennaio | janeiro | januari
February | Februar | février | febbraio | fevereiro | februari
March | März | mars | marzo | março | maart
April | April | avril | aprile | abril | april
May | Mai | mai | maggio | maio | mei
June | Juni | juin | giugno | junho | juni
July | Juli | juillet | luglio | julho | juli
August | August | août | agosto | agosto | augustus
September | September | septembre | settembre | setembro | september
October | Oktober | octobre | ottobre | outubro | oktober
November | November | novembre | novembre | novembro | november
December | Dezember | décembre | dicembre | dezembro | december
spring | Frühling | printemps | primavera | primavera | lente
summer | Sommer | été | estate | verão | zomer
autumn | Herbst | automne | autunno | outono | herfst
winter | Winter | hiver | inverno | inverno | winter
"""
VERBS = """
eat | essen | manger | mangiare | comer | eten
drink | trinken | boire | bere | beber | drinken
sleep | schlafen | dormir | dormire | dormir | slapen
speak | sprechen | parler | parlare | falar | spreken
read | lesen | lire | leggere | ler | lezen
write | schreiben | écrire | scrivere | escrever | schrijven
see | sehen | voir | vedere | ver | zien
hear | hören | entendre | sentire | ouvir | horen
sing | singen | chanter | cantare | cantar | zingen
dance | tanzen | danser | ballare | dançar | dansen
swim | schwimmen | nager | nuotare | nadar | zwemmen
run | laufen | courir | correre | correr | rennen
come | kommen | venir | venire | vir | komen
go | gehen | aller | andare | ir | gaan
buy | kaufen | acheter | comprare | comprar | kopen
sell | verkaufen | vendre | vendere | vender | verkopen
give | geben | donner | dare | dar | geven
take | nehmen | prendre | prendere | pegar | nemen
find | finden | trouver | trovare | encontrar | vinden
lose | verlieren | perdre | perdere | perder | verliezen
open | öffnen | ouvrir | aprire | abrir | openen
close | schließen | fermer | chiudere | fechar | sluiten
work | arbeiten | travailler | lavorare | trabalhar | werken
play | spielen | jouer | giocare | jogar | spelen
learn | lernen | apprendre | imparare | aprender | leren
forget | vergessen | oublier | dimenticare | esquecer | vergeten
think | denken | penser | pensare | pensar | denken
laugh | lachen | rire | ridere | rir | lachen
cry | weinen | pleurer | piangere | chorar | huilen
wait | warten | attendre | aspettare | esperar | wachten
help | helfen | aider | aiutare | ajudar | helpen
live | leben | vivre | vivere | viver | leven
love | lieben | aimer | amare | amar | houden van
pay | bezahlen | payer | pagare | pagar | betalen
travel | reisen | voyager | viaggiare | viajar | reizen
cook | kochen | cuisiner | cucinare | cozinhar | koken
wash | waschen | laver | lavare | lavar | wassen
search | suchen | chercher | cercare | procurar | zoeken
fall | fallen | tomber | cadere | cair | vallen
fly | fliegen | voler | volare | voar | vliegen
"""
ADJECTIVES = """
big | groß | grand | grande | grande | groot
small | klein | petit | piccolo | pequeno | klein
new | neu | nouveau | nuovo | novo | nieuw
old | alt | vieux | vecchio | velho | oud
young | jung | jeune | giovane | jovem | jong
good | gut | bon | buono | bom | goed
bad | schlecht | mauvais | cattivo | mau | slecht
beautiful | schön | beau | bello | belo | mooi
ugly | hässlich | laid | brutto | feio | lelijk
hot | heiß | chaud | caldo | quente | heet
cold | kalt | froid | freddo | frio | koud
long | lang | long | lungo | longo | lang
short | kurz | court | corto | curto | kort
high | hoch | haut | alto | alto | hoog
deep | tief | profond | profondo | profundo | diep
heavy | schwer | lourd | pesante | pesado | zwaar
easy | leicht | facile | facile | fácil | makkelijk
difficult | schwierig | difficile | difficile | difícil | moeilijk
fast | schnell | rapide | veloce | rápido | snel
slow | langsam | lent | lento | lento | langzaam
strong | stark | fort | forte | forte | sterk
weak | schwach | faible | debole | fraco | zwak
rich | reich | riche | ricco | rico | rijk
poor | arm | pauvre | povero | pobre | arm
full | voll | plein | pieno | cheio | vol
empty | leer | vide | vuoto | vazio | leeg
clean | sauber | propre | pulito | limpo | schoon
dirty | schmutzig | sale | sporco | sujo | vies
happy | glücklich | heureux | felice | feliz | gelukkig
sad | traurig | triste | triste | triste | verdrietig
tired | müde | fatigué | stanco | cansado | moe
sweet | süß | sucré | dolce | doce | zoet
bitter | bitter | amer | amaro | amargo | bitter
dry | trocken | sec | secco | seco | droog
wet | nass | mouillé | bagnato | molhado | nat
red | rot | rouge | rosso | vermelho | rood
blue | blau | bleu | blu | azul | blauw
green | grün | vert | verde | verde | groen
yellow | gelb | jaune | giallo | amarelo | geel
black | schwarz | noir | nero | preto | zwart
white | weiß | blanc | bianco | branco | wit
brown | braun | brun | marrone | marrom | bruin
"""


def table(*texts: str, language: str) -> dict[str, str]:
    """English to the other language."""
    rows = [
        [cell.strip() for cell in line.split("|")] for text in texts for line in text.strip().splitlines()
    ]
    column = LANGUAGES.index(language) + 1
    return {row[0]: row[column] for row in rows}


def reversed_table(words: dict[str, str]) -> dict[str, str]:
    """Back to English, without the words that have two meanings here."""
    meanings = list(words.values())
    return {foreign: english for english, foreign in words.items() if meanings.count(foreign) == 1}


TO = Family(
    "translate_from_english",
    "translation",
    """
Translate the English word into {language}: {kind}.
Give the {language} word for {kind}.
Say it in {language} ({kinds}).

In this task you are presented with an English word ({kind}), and your goal is to translate it into
    {language}.
You are given {kind} in English; the goal of this task is to write the {language} equivalent.

I'm learning {language} and need the words for {kinds}.
I want a pocket dictionary from English to {language} for {kinds}.

Input: {kind} in English. Output: the {language} word, without an article.
Input: an English word for {kind}. Output: its translation into {language}.

What would people who speak {language} call it? The topic is {kinds}.
{Language}, please: {kinds}.

Provide the {language} counterpart of the given English term ({kind}).
Render this English vocabulary item ({kinds}) in {language}.

On a vocabulary card the front is English and the back is {language}; write the back. The topic is {kinds}.
A tourist with a picture book of {kinds} asks how this is called in {language}. Answer with one word.

Look the word ({kind}) up in an English-{language} dictionary and write the first translation.
Write {kind} in {language}; the input is in English.
""",
)
FROM = Family(
    "translate_to_english",
    "translation",
    """
Translate the {language} word into English: {kind}.
Write the English for this {language} word, {kind}.

In this task you are presented with {language} vocabulary, and your goal is to translate it into English:
    {kind}.
You are given {kind} in {language}; the goal of this task is to say it in English.

I'm reading a {language} text and need the English for each word that is {kind}.
I want to understand {language}: give me the English word, {kind}.

Input: {kind} in {language}. Output: the English word.
Input: a {language} word, {kind}. Output: its English translation.

What does this {language} word mean? It is {kind}.
English, please, instead of {language} ({kind}).

Provide the English counterpart of the {language} term, {kind}.
Render the {language} vocabulary item, {kind}, in English.

The back of the card is {language}, {kind}; what stands on its English front?
A guest from abroad says one word in {language}, {kind}; interpret it for the English-speaking host.

Look the word ({kind}) up in a {language}-English dictionary and write the first translation.
From {language} to English: one word for one word, {kind} for {kind}.
""",
)
KINDS = {
    "animals": (ANIMALS, "an animal", "animals"),
    "foods": (FOODS, "something to eat or drink", "food and drink"),
    "things": (THINGS, "a thing", "things around us"),
    "people_and_time": (PEOPLE_AND_TIME, "a person or a time", "people, days and months"),
    "verbs": (VERBS, "a verb", "everyday verbs"),
    "adjectives": (ADJECTIVES, "an adjective", "adjectives and colors"),
}
for language in LANGUAGES:
    for label, (text, kind, kinds) in KINDS.items():
        held_out = language == "Dutch" and label in ("animals", "foods", "adjectives")
        TO.add_table(
            f"english_{language.lower()}_{label}",
            table(text, language=language),
            held_out=held_out,
            language=language,
            kind=kind,
            kinds=kinds,
        )
    for label, texts, kind in (
        ("nouns", (ANIMALS, FOODS, THINGS, PEOPLE_AND_TIME), "a noun"),
        ("verbs_adjectives", (VERBS, ADJECTIVES), "a verb or an adjective"),
    ):
        words = reversed_table(table(*texts, language=language))
        FROM.add_table(
            f"{language.lower()}_english_{label}",
            words,
            held_out=(language, label) == ("Dutch", "nouns"),
            language=language,
            kind=kind,
        )

# --- numbers up to 99 in words ---


def german(n: int) -> str:
    ones = """
        null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn
        sechzehn siebzehn achtzehn neunzehn
    """.split()
    tens = "_ _ zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
    if n < 20:
        return ones[n]
    one = "ein" if n % 10 == 1 else ones[n % 10]
    return tens[n // 10] if n % 10 == 0 else f"{one}und{tens[n // 10]}"


def dutch(n: int) -> str:
    ones = """
        nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien
        zeventien achttien negentien
    """.split()
    tens = "_ _ twintig dertig veertig vijftig zestig zeventig tachtig negentig".split()
    if n < 20:
        return ones[n]
    if n % 10 == 0:
        return tens[n // 10]
    return ones[n % 10] + ("ën" if ones[n % 10].endswith("e") else "en") + tens[n // 10]


def french(n: int) -> str:
    ones = """
        zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-
        sept dix-huit dix-neuf
    """.split()
    tens = "_ _ vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt".split()
    if n < 20:
        return ones[n]
    ten, one = n // 10, n % 10
    if ten in (7, 9):
        one += 10
    if one == 0:
        return "quatre-vingts" if n == 80 else tens[ten]
    if one in (1, 11) and ten < 8:
        return f"{tens[ten]} et {ones[one]}"
    return f"{tens[ten]}-{ones[one]}"


def italian(n: int) -> str:
    ones = """
        zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici
        sedici diciassette diciotto diciannove
    """.split()
    tens = "_ _ venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split()
    if n < 20:
        return ones[n]
    ten, one = tens[n // 10], n % 10
    if one in (1, 8):
        ten = ten[:-1]
    return ten + ("" if one == 0 else "tré" if one == 3 else ones[one])


def portuguese(n: int) -> str:
    ones = """
        zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis
        dezessete dezoito dezenove
    """.split()
    tens = "_ _ vinte trinta quarenta cinquenta sessenta setenta oitenta noventa".split()
    if n < 20:
        return ones[n]
    return tens[n // 10] + (f" e {ones[n % 10]}" if n % 10 else "")


SPEAK = dict(zip(LANGUAGES, (german, french, italian, portuguese, dutch), strict=True))
NUMBER = Family(
    "foreign_number",
    "translation",
    """
Write the number in {language} words.
Say the number in {language}.

In this task you are presented with a number in digits, and your goal is to spell it out in {language}.
You are given a number below one hundred; the goal of this task is to write it in {language} words.

I'm learning to count in {language} and need the numbers spelled out.
I want to see how {language} speakers write a number in words.

Input: a number in digits. Output: the number in {language} words.
Input: digits. Output: the {language} number word, in lower case.

How is this number called in {language}?
Count in {language}: this one.

Verbalize the numeral in {language}.
Express the integer in {language} orthography, avoiding figures.

At a market where only {language} is spoken, you want that many eggs; say the number.
A {language} teacher dictates numbers; write this one as a word.

No digits: the {language} word for the number is wanted.
Change the figure into {language} letters.
""",
)
FOREIGN = Family(
    "number_from_foreign",
    "translation",
    """
Write the {language} number in digits.
Turn the {language} number word into a figure.

In this task you are presented with a number in {language} words, and your goal is to write it in digits.
You are given a {language} number word; the goal of this task is to give the figure.

I hear prices in {language} and need them as digits.
I want the figure for every number somebody says in {language}.

Input: a number in {language} words. Output: the number in digits.
Input: a {language} number word. Output: a figure from 0 to 99.

How much is that, said in {language}?
Which number is this in {language}?

Convert the {language} numeral into Arabic figures.
Decode the number word, which is {language}.

A caller dictates a number in {language}; note it down in digits.
The bingo caller speaks {language}. Which number do you mark?

Understand the {language} word and print its value.
From {language} letters to digits.
""",
)
for language, speak in SPEAK.items():
    code = language.lower()
    NUMBER.add(
        f"number_in_{code}",
        upto(99, 0),
        lambda t, s=speak: s(int(t)),
        held_out=language == "Italian",
        language=language,
    )
    FOREIGN.add_table(
        f"{code}_number_to_digits",
        {speak(n): str(n) for n in range(100)},
        held_out=language == "Portuguese",
        language=language,
    )
