"""Which code page the names in an old archive are in: zip files keep bytes, and do not say what they stand for.

The UTF-8 flag (unless a name belies it) and Info-ZIP's field are facts; without them a name that is valid UTF-8 is
UTF-8 (text in another code page hardly ever is). What is left comes from the country's own Windows, and is guessed
over all names together.

The guess is the likeliest reading, in bits, as in the detectors of Mozilla (Li and Momoi, A composite approach to
language/encoding detection, 2001), but of single words: each code page has the languages that it is used for, and each
language its letters by frequency (a letter of rank r has a probability proportional to 1/r). Chinese and Japanese
characters are rated by the levels of GB 2312, Big5 and JIS X 0208, Korean ones by their parts. A word that mixes
scripts, continues in capitals after a small letter, or holds box drawing is unlikely. Statistical detectors for texts
(charset-normalizer, chardet) need more bytes than two names of animals have.
"""

import codecs
import math
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from core.errors import ConfigError

CODE_PAGES = {
    "utf-8": "UTF-8", "cp932": "Shift-JIS (Japanese)", "gbk": "GBK (simplified Chinese)",
    "cp950": "Big5 (traditional Chinese)", "cp949": "EUC-KR (Korean)",
    "cp437": "code page 437 (United States)", "cp850": "code page 850 (Western Europe)",
    "cp1252": "Windows-1252 (Western Europe)", "cp852": "code page 852 (Central Europe)",
    "cp1250": "Windows-1250 (Central Europe)", "cp866": "code page 866 (Cyrillic)", "cp1251": "Windows-1251 (Cyrillic)",
    "koi8-r": "KOI8-R (Russian)", "cp737": "code page 737 (Greek)", "cp1253": "Windows-1253 (Greek)",
    "cp857": "code page 857 (Turkish)", "cp1254": "Windows-1254 (Turkish)", "cp775": "code page 775 (Baltic)",
    "cp1257": "Windows-1257 (Baltic)", "cp862": "code page 862 (Hebrew)", "cp1255": "Windows-1255 (Hebrew)",
    "cp720": "code page 720 (Arabic)", "cp1256": "Windows-1256 (Arabic, Persian)", "cp874": "code page 874 (Thai)",
    "mac-roman": "Mac Roman",
}  # fmt: skip
MAX_WORDS = 1000  # evidence enough
SURE_BYTES = 6  # above 127: two letters of Chinese, three of Russian
UNICODE_PATH = 0x7075  # Info-ZIP's extra field: version, CRC-32 of the other name, the name in UTF-8

# per family: code pages of DOS and Windows, languages with their letters beyond ASCII by frequency, bits of prior
WESTERN, CENTRAL = ("cp437", "cp850", "cp1252"), ("cp852", "cp1250")
ALPHABETS: Sequence[tuple[tuple[str, ...], str, float]] = (
    (WESTERN, "üäöß", 0),
    (WESTERN, "éèàêçôîûâùëïœü", 0),
    (WESTERN, "óíáéñúü", 0),
    (WESTERN, "ãçáéíóõêâúôà", 0),
    (WESTERN, "àèùòìé", 1),
    (WESTERN, "äåöøæé", 0),
    (WESTERN, "áíðóþúéýöæ", 5),
    (CENTRAL, "łóąęśżćńź", 1),
    (CENTRAL, "íáéěčřšžýůúťďňóľôäĺŕ", 1),
    (CENTRAL, "áéöóőüíúű", 1),
    (CENTRAL, "čšžćđ", 2),
    (CENTRAL, "ăîţşâ", 2),
    (("cp857", "cp1254"), "ıüşğçöîâ", 1),
    (("cp775", "cp1257"), "ėšžųįūčąę", 3),
    (("cp775", "cp1257"), "āīšēņūļžčģķ", 3),
    (("cp775", "cp1257"), "äõüöšž", 3),
    (("koi8-r",), "оаеитнрслвкмдпуяыьгзбчйжхшюцщэфъё", 6),
    (("cp866", "cp1251"), "оаеитнрслвкмдпуягыьзбчйжхшюцщэфъё", 0),
    (("cp1251", "cp866"), "оаниівретслкумдпзяьбгчйхцжїюєшфщґ", 1),
    (("cp1251",), "аеоитнрсвлдпкмзуъгбчщжяхцшфюьй", 2),
    (("cp1251",), "аиоенсрјтукдвмлпзгбљцшчжфњћхђџѓќ", 3),
    (("cp737", "cp1253"), "αοιετνσρκυηπλςμγδίάόωθέχφύβήξώζψϊϋΐΰ", 5),
    (("cp862", "cp1255"), "יוהלארתבמשנכעדקפחםטגצןזסךףץ", 1),
    (("cp720", "cp1256"), "اليمرنبتوةدسعفحقكهجشطصخأزضغءثذظىإئآؤ", 1),
    (("cp1256",), "ايرندهتمبوسشکلزفقخگعجپحچآطصضغثظذژ", 1),
    (("cp874",), "านรกอเงมยลวดท่สต้ปีคบห์ัแิจพชใขไูุโผซืณศธญภฟถษฉฮ็ฐ", 1),
)
TYPOGRAPHIC = "’‘“”–—…°·«»№ªº¿¡´()（）【】、。・～"
VOWELS = "aeiouyøæœåı"
HANZI = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子得于着下自之年过发后作里用道行所然家种事成方多经么去"
    "法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它长把机十民第公此已工使情明性知全三又关点正"
    "业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西月话合回特代内信表化老给世位次度门任常先海通教儿原"
    "东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德"
    "资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该"
    "猫狗犬鸟花树车鱼牛羊鸡鸭鹅兔虎狮猴鼠蛇熊狼鹿猪豹龙龟虫蝶蜂草叶果苹香蕉橙葡萄桃梨瓜茄番薯豆米麦玉椒葱菜莲菊兰玫瑰郁百向葵蒲英"
    "图片照像集训练测试验证数据夹副建红绿蓝黄黑白灰男女男孩老人脸手足球船飞机火汽轮卡客自摩托衣裤鞋帽包表杯瓶桌椅床灯纸塑料玻璃属"
    "垃圾余害厨他圾收健康病斑锈虫缺陷划痕裂缝孔常异好坏品良医肺肿瘤猫咪狗布偶波斯橘晴雨雪云雾春夏秋冬石头剪刀布左右"
)
KANJI = (
    "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九入選立開手米力学"
    "問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和統以機"
    "平総加山思家話世受区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文"
    "反元重近千考判認画海参売利組知案道信策集在件団別物側任引使求所次水半品昨論計死官増係感特情投示変打男基私各始島直両朝革価式確村"
    "猫犬鳥花木車魚馬牛羊鶏兎虎獅象猿鼠蛇熊狼鹿豚竜亀虫蝶蜂草葉桜梅桃柿梨栗苺林檎蜜柑葡萄米麦豆飯麺寿司丼肉茶酒赤青緑黄黒白灰色"
    "写真画像訓練検証検査試験分類学習良品不良傷欠正常異常表裏左右晴雨雪曇春夏秋冬空海山川森石紙布電球靴服帽顔笑怒泣男女子供老紅薔薇菊百合"
)
HANZI_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子得於著下自之年過發後作里用道行所然家種事成方多經麼去"
    "法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實日軍者意無力它長把機十民第公此已工使情明性知全三又關點正"
    "業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西月話合回特代內信表化老給世位次度門任常先海通教兒原"
    "貓狗犬鳥花樹車魚馬牛羊雞鴨鵝兔虎獅象猴鼠蛇熊狼鹿豬豹龍龜蟲蝶蜂草葉蘋果香蕉橙葡萄桃梨瓜茄蓮菊蘭玫瑰鬱金向日葵蒲公英"
    "圖片照像集訓練測試驗證資料夾副本建紅綠藍黃黑白灰男女孩老臉球船飛機火輪卡衣褲鞋帽包錶杯瓶桌椅床燈紙塑膠玻璃健康病正常異常晴雨雪雲"
)
INITIALS = [11, 0, 9, 2, 3, 5, 12, 18, 6, 7, 14, 16, 17, 15, 1, 4, 8, 10, 13]  # of Hangul, by frequency: ㅇㄱㅅㄴㄷㄹ…
MEDIALS = [0, 20, 18, 4, 8, 13, 1, 6, 5, 2, 11, 12, 9, 19, 17, 16, 14, 7, 10, 15, 3]  # ㅏㅣㅡㅓㅗㅜㅐㅕㅔ…
FINALS = [0, 4, 8, 21, 1, 16, 17, 19]  # none, ㄴㄹㅇㄱㅁㅂㅅ; all others are rare


def check_code_page(name: str) -> str:
    """A code page by the name that Python gives it.

    Raises:
        ConfigError: there is none of this name, or its names of files cannot be parted into folders.
    """
    ascii_text = "".join(map(chr, range(32, 127)))
    try:
        known = codecs.lookup(name.strip())
        if ascii_text.encode("ascii").decode(known.name) == ascii_text:
            return next((page for page in CODE_PAGES if codecs.lookup(page).name == known.name), known.name)
    except (LookupError, UnicodeError, ValueError):
        pass
    names = ", ".join(CODE_PAGES)
    raise ConfigError({"names": f"{name[:40]!r} is not a code page of file names: choose {names}."})


def page_title(page: str) -> str:
    """What people call a code page."""
    return CODE_PAGES.get(page, page)


def name_from_extra(raw: bytes, extra: bytes) -> str | None:
    """The name in Info-ZIP's Unicode path field, if it is there and belongs to this very name."""
    while len(extra) >= 4:
        kind, length = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH and body[:1] == b"\1" and int.from_bytes(body[1:5], "little") == zlib.crc32(raw):
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def guess_code_pages(names: Iterable[bytes]) -> list[str]:
    """The code pages that all names can be in, the likeliest first; only `utf-8` where they are that.

    Args:
        names: with bytes above 127.
    """
    joined = b"/".join(sorted(set(names)))
    if _decodes(joined, "utf-8"):
        return ["utf-8"]
    words = sorted({word for word in re.findall(rb"[\x40-\x7e\x80-\xff]+", joined) if not word.isascii()})[:MAX_WORDS]
    bits: dict[str, float] = {}
    for pages, letters, prior in ALPHABETS:
        for page in pages:
            if _decodes(joined, page):
                # Windows packs in the code page of DOS, the first ones
                total = prior + (page not in WESTERN[:2] and page != pages[0]) + _rate(words, page, _alphabet(letters))
                bits[page] = min(total, bits.get(page, math.inf))
    for page, rate in (("cp932", _japanese), ("gbk", _simplified), ("cp950", _traditional), ("cp949", _korean)):
        if _decodes(joined, page):
            bits[page] = _rate(words, page, rate)
    return sorted(bits, key=lambda page: (bits[page], list(CODE_PAGES).index(page)))


def is_surely_utf8(name: bytes) -> bool:
    """Whether a name is in UTF-8 although others in its archive are not: long, and of one alphabet.

    A few letters of Chinese or Japanese in their own code pages are valid UTF-8 by chance, and mix alphabets then.
    """
    if not _decodes(name, "utf-8"):
        return False
    letters = {_script(letter) for letter in name.decode("utf-8") if not letter.isascii()}
    return sum(byte > 127 for byte in name) >= SURE_BYTES and len(letters) == 1 and "" not in letters


def _decodes(text: bytes, page: str) -> bool:
    try:
        text.decode(page)
    except UnicodeDecodeError:
        return False
    return True


def _rate(words: Sequence[bytes], page: str, letter_bits: Callable[[str], float]) -> float:
    return sum(_rate_word(word.decode(page), letter_bits) for word in words)


def _rate_word(word: str, letter_bits: Callable[[str], float]) -> float:
    """How unlikely a word is, in bits: its letters, and what does not go together in one word."""
    bits = 0.0
    for place, letter in enumerate(word):
        before, after = word[place - 1 : place], word[place + 1 : place + 2]
        bits += letter_bits(letter) if not letter.isascii() else 4.5 if letter.isalpha() or letter == "_" else 9
        if _script(letter) and _script(before) and _script(letter) != _script(before):
            bits += 3 if "CJK" in (_script(letter), _script(before)) else 12
        if letter.isupper() and before.islower():
            bits += 8
        if letter in "ςσ" and (letter == "ς") == after.isalpha():
            bits += 8  # the sigma at the end of a word has a form of its own
        if not letter.isascii() and _script(letter) == "LATIN" and "LATIN" in (_script(before), _script(after)):
            sounds = [_is_vowel(other) for other in (before, letter, after) if other.isalpha()]
            bits += 2.5 if len(sounds) == 3 and len(set(sounds)) == 1 else 0
            bits += 1.5 * (before.isalpha() and not before.isascii()) + 2 * (sounds[:2] == [True, True])
    return bits


@cache
def _script(letter: str) -> str:
    """LATIN, CYRILLIC, GREEK …, CJK for all of East Asia, or nothing."""
    if not letter or unicodedata.category(letter)[0] not in "LM":
        return ""
    script = unicodedata.name(letter, "").split()[0] if unicodedata.name(letter, "") else ""
    return "CJK" if script in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "KATAKANA-HIRAGANA", "HALFWIDTH") else script


def _is_vowel(letter: str) -> bool:
    return unicodedata.normalize("NFKD", letter)[0].lower() in VOWELS


def _zipf(rank: int, count: int) -> float:
    """Bits of the `rank`-th most frequent of `count`, from 1."""
    return math.log2(rank * sum(1 / place for place in range(1, count + 1)))


def _foreign(letter: str) -> float:
    """Bits of what no language expects here."""
    kind = unicodedata.category(letter)
    return 10 if letter in TYPOGRAPHIC else 16 if kind[0] in "LM" else 26 if kind[0] == "C" else 18


def _alphabet(letters: str) -> Callable[[str], float]:
    script = _script(letters[0])
    extra = 4 if script == "LATIN" else 0  # most letters of these languages are ASCII
    known = {letter: extra + _zipf(place + 1, len(letters)) for place, letter in enumerate(letters)}

    @cache
    def rate(letter: str) -> float:
        small = letter.lower()
        if small in known:
            return known[small] + (1 if small != letter else 0)
        return 14 if _script(letter) == script else _foreign(letter)

    return rate


def _levels(letter: str, page: str, common: str, first: Sequence[int], second: Sequence[int]) -> float:
    """Bits of an ideograph: common ones, the first and the second level of its country's standard, all others."""
    if _script(letter) != "CJK" or "CJK UNIFIED" not in unicodedata.name(letter, ""):
        return 10 if letter in TYPOGRAPHIC else 20
    code = int.from_bytes(letter.encode(page), "big")
    in_grid = page != "gbk" or code & 255 >= 0xA1
    if letter in common:
        return 9.5
    return 13 if first[0] <= code <= first[1] and in_grid else 17 if second[0] <= code <= second[1] and in_grid else 23


@cache
def _japanese(letter: str) -> float:
    if "\uff61" <= letter <= "\uff9f":
        return 14  # half-width
    if "\u3041" <= letter <= "\u30ff":
        return 7.5
    return 10 if letter == "々" else _levels(letter, "cp932", KANJI, (0x889F, 0x9872), (0x989F, 0xEAA4))


@cache
def _simplified(letter: str) -> float:
    return _levels(letter, "gbk", HANZI, (0xB0A1, 0xD7F9), (0xD8A1, 0xF7FE))


@cache
def _traditional(letter: str) -> float:
    return _levels(letter, "cp950", HANZI_TRADITIONAL, (0xA440, 0xC67E), (0xC940, 0xF9D5))


@cache
def _korean(letter: str) -> float:
    if not "가" <= letter <= "힣":
        return 17 if _script(letter) == "CJK" else _foreign(letter)
    first, rest = divmod(ord(letter) - ord("가"), 588)
    middle, last = divmod(rest, 28)
    in_grid = int.from_bytes(letter.encode("cp949"), "big") & 255 >= 0xA1
    bits = _zipf(INITIALS.index(first) + 1, len(INITIALS)) + _zipf(MEDIALS.index(middle) + 1, len(MEDIALS))
    return bits + (1 if last == 0 else 4 if last in FINALS else 9) + (0 if in_grid else 8)
