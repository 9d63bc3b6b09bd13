"""Names that are not Unicode: which code page they are in is seen in the names, by words that people call classes."""

import pytest

from core.datasets.sources.archive_names import CODE_PAGES, check_code_page, guess_code_pages, name_from_extra
from core.errors import ConfigError

WORDS = {
    "cp932": ("猫 犬", "ソース 表", "新しいフォルダー ねこ いぬ", "良品 不良品", "グー チョキ パー", "桜 梅 桃",
              "能 十", "傷あり 傷なし", "カレー 寿司"),
    "gbk": ("猫 狗", "苹果 香蕉 橙子", "玫瑰 向日葵 郁金香", "可回收垃圾 厨余垃圾", "正常 异常", "裂缝 划痕 凹坑",
            "口罩 无口罩", "虎 狮"),
    "cp950": ("貓 狗", "蘋果 香蕉", "正常 異常", "台灣黑熊 石虎", "鳳梨 芒果", "蜜蜂 蝴蝶"),
    "cp949": ("고양이 강아지", "고양이 개", "장미 해바라기 튤립", "정상 불량", "가위 바위 보", "비빔밥 김치 떡볶이"),
    "cp866": ("Кошка Собака", "кошки собаки", "берёза дуб ель", "КОТ ПЁС", "Новая папка Норма Брак", "ёж заяц"),
    "cp1251": ("Кошка Собака", "кошки собаки", "роза тюльпан", "яблоко груша", "кіт собака", "Мусор Стекло Бумага"),
    "cp1252": (
        "Kätzchen Hündchen", "Löwe Bär", "Äpfel Birnen", "Müll Glas", "Chêne Érable Hêtre", "garçon fille", "niño niña",
        "maçã limão", "älg björn", "rødspætte",
    ),
    "cp850": (
        "Kätzchen Hündchen", "Füße Straße", "Äpfel Birnen", "éléphant lion", "pêche poire", "araña abeja",
        "león pájaro", "avião caminhão", "blåbær jordbær", "città mare",
    ),
    "cp852": ("Żółw Pies", "jabłko gruszka śliwka", "kočka pes", "medvěd kůň", "tölgy fenyő"),
    "cp1250": ("jabłko gruszka śliwka", "łoś dzięcioł", "růže tulipán", "pšenice žito", "őz róka"),
    "cp737": ("Γάτα Σκύλος", "μήλο πορτοκάλι"),
    "cp1253": ("Γάτα Σκύλος", "τριαντάφυλλο"),
    "cp857": ("köpek kuş", "kırmızı sarı"),
    "cp1254": ("köpek kuş", "kırmızı sarı"),
    "cp862": ("חתול כלב",),
    "cp1255": ("ורד צבעוני",),
    "cp1256": ("قطة كلب حصان", "تفاح موز"),
    "cp874": ("กุหลาบ ทานตะวัน",),
}  # fmt: skip


@pytest.mark.parametrize(("page", "words"), [(page, words) for page, sets in WORDS.items() for words in sets])
def test_names_of_classes_are_read_in_the_code_page_that_they_are_in(page: str, words: str) -> None:
    names = [word.encode(page) + b"/%03d.jpg" % number for word in words.split() for number in range(3)]
    guess, *others = guess_code_pages(name for name in names if not name.isascii())
    # DOS and Windows have code pages that agree on these letters, so that the words count and not the page
    assert [name.decode(guess).partition("/")[0] for name in names[::3]] == words.split()
    assert others
    assert guess in CODE_PAGES


@pytest.mark.parametrize("words", ["Kätzchen Hündchen", "猫 犬", "Ka\u0308tzchen", "Кошка", "🐈 🐕", "ሀ"])
def test_what_is_valid_utf_8_is_utf_8(words: str) -> None:
    assert guess_code_pages(word.encode() for word in words.split()) == ["utf-8"]


def test_one_name_that_is_not_utf_8_changes_the_reading_of_all() -> None:
    names = ["猫/1.jpg".encode("gbk"), "狗/1.jpg".encode("gbk")]
    assert names[0].decode() == "è/1.jpg"  # by chance
    assert guess_code_pages(names[:1]) == ["utf-8"]
    assert guess_code_pages(names)[0] == "gbk"


def test_the_guess_does_not_depend_on_the_order_or_on_repetitions() -> None:
    names = [f"{word}/{number}.jpg".encode("cp866") for word in ("Кошка", "Собака") for number in range(50)]
    assert guess_code_pages(names) == guess_code_pages(reversed(names)) == guess_code_pages(names[::25])


def test_bytes_that_are_no_letters_anywhere_still_have_a_reading() -> None:
    found = guess_code_pages([bytes(range(128, 256))])
    assert bytes(range(128, 256)).decode(found[0])


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ("cp866", "cp866"),
        ("CP866", "cp866"),
        ("936", "gbk"),
        ("big5", "big5"),
        ("utf8", "utf-8"),
        ("sjis", "shift_jis"),
    ],
)
def test_a_code_page_has_the_names_that_python_knows(given: str, page: str) -> None:
    assert check_code_page(given) == page


@pytest.mark.parametrize("given", ["", "klingon", "utf-16", "rot13", "cp037", "base64", "a\0b", "x" * 500])
def test_what_is_no_code_page_of_file_names_is_refused_with_those_there_are(given: str) -> None:
    with pytest.raises(ConfigError, match=r"cp866.* gbk|gbk.*cp866"):
        check_code_page(given)


def test_the_unicode_field_counts_only_for_the_name_it_was_made_for() -> None:
    body = b"\1" + (0x4F0CA1D5).to_bytes(4, "little")
    assert name_from_extra(b"abc", b"\x75\x70" + (8).to_bytes(2, "little") + body + b"xyz") is None
    import zlib

    raw, name = "犬".encode("cp932"), "犬"
    body = b"\1" + zlib.crc32(raw).to_bytes(4, "little") + name.encode()
    other = b"UT\5\0\1abcd"
    field = b"up" + len(body).to_bytes(2, "little") + body
    assert name_from_extra(raw, other + field) == name
    assert name_from_extra(raw, field[:-1]) is None
    assert name_from_extra(raw, b"up\x05\0" + body[:5] + b"\xff") == ""
