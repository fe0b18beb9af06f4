"""What newsroom software puts around and between a story's own words, and how to leave it out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DATELINE_CHARS = 90
MAX_ASIDE_CHARS = 300
MAX_CHECKED = 200
MAX_TAILS = 20

_ASIDE = re.compile(
    r"(?:(?:baca|simak|lihat|tonton|cek)\s*(?:juga|pula)|(?:read|see|watch)\s+(?:also|more|next)|"
    r"also\s+read|related|terkait|artikel\s+terkait|berita\s+terkait|baca\s+selengkapnya|"
    r"pilihan\s+redaksi|recommended)\s*[:：»>–-]",
    re.IGNORECASE,
)
_BARE_ASIDE = re.compile(
    r"(?:baca|simak)\s+(?:juga|pula)\b|(?:read\s+also|also\s+read)\b", re.IGNORECASE
)
_NOISE = re.compile(
    r"""(?:
    [\W_]*(?:advertisement|advertorial|sponsored|iklan|ads?|pariwara|promoted)[\W_]*
    |[\W_]*(?:advertisement[\W_]+)?scroll\ (?:to|untuk|ke\ bawah)\b.{0,60}
    |(?:lanjutkan|gulir)\ (?:membaca|untuk|ke)\b.{0,60}
    |(?:continue|keep)\ reading\b.{0,40}
    |(?:url|link|tautan)\ (?:berhasil\ )?(?:di\s?copy|disalin|copied|telah\ disalin).{0,30}
    |(?:berita|artikel|tulisan|halaman)\ ini\ (?:telah\ |sudah\ )?(?:\d[\d.,]*\ kali\ )?
        (?:dibaca|dilihat)\b.{0,40}
    |(?:dibaca|dilihat|views?|viewed|hits?)\s*:?\s*\d[\d.,]*\s*(?:kali|x|times|rb|k)?
    |\d[\d.,]*\s*(?:kali\ dibaca|x\ dibaca|views?|kali\ dilihat|shares?|dibagikan|dibaca)
    |(?:bagikan|share|sebarkan)(?:\ (?:this|ini|on|ke|di|via|artikel|berita|article|story|post)\b
        .{0,40})?[\s:!]*
    |(?:ikuti\ kami|follow\ us)\b.{0,60}
    |(?:ikuti|follow|dapatkan|gabung|join)\b.{0,60}
        (?:google\ news|whatsapp|telegram|channel|saluran)
        .{0,60}
    |(?:\d+\ )?(?:komentar|comments?|leave\ a\ (?:reply|comment)|tinggalkan\ (?:balasan|komentar))
    |(?:foto|photo|image|ilustrasi|gambar|sumber\ foto|dok(?:umentasi)?)\s*:.{0,160}
    |\((?:foto|photo|dok|ist|image)\b[^()]{0,120}\)
    |\(\*+\)|\*{3,}|[-–—_=.·•]{1,}
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_SHARE_NAMES = """
bagikan bluesky cetak copy email facebook fb icon ig instagram ke kirim lainnya line link
linkedin messenger more on pinterest print reddit salin share tautan telegram threads tiktok to
tweet twitter url via wa whatsapp x youtube
"""
_SHARE_WORDS = frozenset(_SHARE_NAMES.split())
# A line of words is furniture only if it begins with one of these (or is share words alone).
_SUSPECT_NAMES = """
ad ads advertisement advertorial also artikel baca berita cek comment comments continue dapatkan
dibaca dilihat dok dokumentasi follow foto gabung gambar gulir halaman hit hits iklan ikuti
ilustrasi image ist join keep komentar lanjutkan leave lihat pariwara photo pilihan promoted read
recommended related scroll sebarkan see simak sponsored sumber terkait tinggalkan tonton tulisan
view viewed views watch
"""
_SUSPECTS = frozenset(_SUSPECT_NAMES.split()) | _SHARE_WORDS
_FIRST_WORD = re.compile(r"[\W_]*([^\W\d_]+)")
_TAIL = re.compile(r"\s*(?:\[\s*(?:…|\.{3,})\s*\]|\(\s*(?:…|\.{3})\s*\))\s*\Z")
_MORE = re.compile(
    r"\s*(?:…|\.{3})?\s*(?:(?:continue|keep) reading|read more|read the rest|baca selengkapnya|"
    r"selengkapnya|lanjutkan membaca|baca lebih lanjut)(?:\s*[»→›>…]+|\s*[“\"][^“”\"]{0,300}[”\"])?"
    r"[\s.»→›>]*\Z",
    re.IGNORECASE,
)
_APPEARED = re.compile(
    r"\s*(?:\b(?:the post|this post|the article|artikel|postingan|pos|tulisan|berita)\b"
    r"(?:(?!\b(?:the post|artikel|postingan)\b).){1,600}?"
    r"\b(?:(?:first )?appeared first on|first appeared on|pertama kali (?:tampil|muncul|terbit|"
    r"dipublikasikan|diterbitkan) (?:pada|di)|(?:muncul|tampil) (?:pertama|lebih dulu) (?:kali )?"
    r"(?:pada|di))\b.{0,200})\Z",
    re.IGNORECASE | re.DOTALL,
)
# Without one of these a line is not searched further, and most hold none.
_APPEARED_MARKS = ("appeared", "pertama", "lebih dulu")
_MORE_MARKS = ("read", "selengkapnya", "lanjut")

_PLACE_NAMES = """
aceh ambon ankara badung balikpapan bandarlampung bandung bangkalan bangkok banjar banjarmasin
banjarnegara banten bantul banyumas banyuwangi batam batang beijing bekasi bengkulu berlin bima
binjai bitung blitar blora bogor bojonegoro bondowoso bontang boston boyolali brebes brussels
bukittinggi buleleng cairo canberra chicago ciamis cianjur cilacap cilegon cimahi cirebon delhi
demak denpasar depok doha dompu dubai dumai garut gaza geneva gianyar gorontalo gresik grobogan
gunungkidul hanoi houston indramayu istanbul jakarta jambi jayapura jember jenewa jepara
jerusalem jogja johannesburg jombang kairo karanganyar karangasem karawang kebumen kediri kendal
kendari klaten klungkung kudus kuningan kupang kyiv lagos lamongan lampung langsa lebak
lhokseumawe lisbon lombok london lubuklinggau lumajang madinah madiun madrid magelang magetan
majalengka makassar makkah malang mamuju manado manila manokwari mataram mecca medan melbourne
merauke mojokerto moscow moskow mumbai nabire nairobi nganjuk ngawi nunukan nusantara pacitan
padang palangkaraya palembang palu pamekasan pandeglang pangkalpinang paris pasuruan pati
payakumbuh pekalongan pekanbaru pemalang pematangsiantar ponorogo pontianak prabumulih
probolinggo purbalingga purwakarta purwokerto purworejo rangkasbitung rembang riyadh rome sabang
salatiga samarinda sampang sampit semarang seoul serang sibolga sidoarjo singapore singapura
singaraja singkawang situbondo sleman sofifi solo sorong sragen subang sukabumi sukoharjo
sumbawa sumedang sumenep surabaya surakarta sydney tabanan tangerang tanjungpinang tarakan
tasikmalaya tegal teheran tehran temanggung ternate timika tokyo tomohon trenggalek tuban
tulungagung vienna wamena washington wates wonogiri wonosobo yogyakarta
"""
_PLACES = frozenset(_PLACE_NAMES.split())
_PLACE_PREFIX = frozenset(("kota", "kabupaten", "kab", "kab.", "kec", "kecamatan", "provinsi"))
_DIRECTIONS = frozenset(
    ("selatan", "utara", "barat", "timur", "pusat", "tengah", "raya", "city", "laut", "darat")
)
_DOMAIN = re.compile(
    r"[\w-]{2,40}(?:\.[\w-]{2,40})*\.(?:com|co|id|net|org|news|tv|info|press|my|sg|uk|media|online)",
    re.IGNORECASE,
)
_AGENCY = re.compile(r"[(\[]\s*(?:[A-Z]{2,12}|Reuters|Antara|Bloomberg|dpa|Xinhua)\s*[)\]]")
_DASH = re.compile(
    r"\s*[|,.]?\s*(?:(?<=\s)[-–—−]{1,3}(?=\s)|[–—−]{1,2}|--|(?<=\S)-(?=\s)|[|:](?=\s))\s*"
)
_HEAD_WORDS = re.compile(r"[^\W\d_][\w.'’-]*\Z")
_SENTENCE_ENDS = frozenset('.!?…"”’»)')
_DATE_PART = re.compile(
    r"(?:\w+\s*)?\(?\d{1,2}(?:\s*[/-]\s*\d{1,2}(?:\s*[/-]\s*\d{2,4})?|\s+\w+(?:\s+\d{4})?)\)?"
    r"|[A-Z][a-z]{2,8}\.?\s+\d{1,2}(?:\s+\d{4})?",
)
_DAY = (
    r"(?:\b(?:senin|selasa|rabu|kamis|jum'?at|sabtu|minggu"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\s*,?\s*)?"
)
_NUMBERED_DATE = re.compile(
    rf"{_DAY}[(\[]\s*{_DAY}\d{{1,2}}\s*[/.-]\s*\d{{1,2}}(?:\s*[/.-]\s*\d{{2,4}})?\s*[)\]]"
    rf"|{_DAY}\b\d{{1,2}}\s*/\s*\d{{1,2}}\s*/\s*\d{{2,4}}\b",
    re.IGNORECASE,
)


def story_lines(lines: Iterable[str]) -> list[str]:
    """Keep the lines that are the story's: no advertising, "Baca Juga", share words, counters.

    Looks at the first 200 lines. The note that a feed puts at an excerpt's end
    ("The post … appeared first on …", "[…]") is cut; a sentence that it cut short ends in "…".
    """
    kept = [line for at, line in enumerate(lines) if at >= MAX_CHECKED or not is_noise(line)]
    for _ in range(MAX_TAILS):
        if not kept:
            break
        last = _tailless(kept[-1])
        if last == kept[-1]:
            break
        kept[-1:] = [last] if last else []
    return kept


def is_noise(line: str) -> bool:
    """Say whether a whole line is furniture, not story."""
    if len(line) > MAX_ASIDE_CHARS:
        return False
    first = _FIRST_WORD.match(line)
    if first and first[1].casefold() not in _SUSPECTS:
        return False
    if _ASIDE.match(line) or _NOISE.fullmatch(line):
        return True
    if _BARE_ASIDE.match(line) and line[-1] not in '.!?”"':
        return True
    words = line.casefold().replace(",", " ").replace("|", " ").split()
    return len(line) < 120 and all(word.strip("·•:/()") in _SHARE_WORDS for word in words)


def _tailless(line: str) -> str:
    tail = line[-1000:]
    words = tail.casefold()
    stated = _APPEARED.sub("", tail) if _holds(words, _APPEARED_MARKS) else tail
    kept = stated[:-20] + _TAIL.sub("", stated[-20:]) if stated.endswith((")", "]")) else stated
    if kept not in {"", stated} and kept[-1] not in _SENTENCE_ENDS:
        # The software cut the sentence, and the reader shall see that.
        kept += "…"
    cut = _MORE.sub("", kept) if _holds(words, _MORE_MARKS) else kept
    return line if cut == tail else (line[:-1000] + cut).rstrip()


def _holds(words: str, marks: tuple[str, ...]) -> bool:
    return any(mark in words for mark in marks)


def without_dateline(paragraph: str, source: str = "") -> str:
    """Take the dateline off a story's first paragraph: "TANGERANG, bantenraya.co – Polres …".

    A head is a dateline only where it says so: it names a web address, an agency or a town, or
    `source` (the newsroom's name); anything else stays, so that no word of the story is lost. A
    paragraph that is nothing but a dateline becomes "".
    """
    if is_dateline(paragraph, source):
        return ""
    for dash in _DASH.finditer(paragraph, 2, MAX_DATELINE_CHARS + 4):
        head, rest = paragraph[: dash.start()], paragraph[dash.end() :]
        if not rest or not _starts_sentence(rest):
            continue
        if _is_head(head, source, rest):
            return without_dateline(rest, source) if _DOMAIN.fullmatch(head) else rest
    return paragraph


def is_dateline(line: str, source: str = "") -> bool:
    """Say whether a line is nothing but a dateline: "bantenraya.co | TANGERANG"."""
    if len(line) > MAX_DATELINE_CHARS or line.endswith(("?", "!", "”", '"')):
        return False
    parts = _parts(line.strip(" -–—|,:."))
    return bool(parts) and all(
        _names_source(part, source) or _is_place(part) or _DATE_PART.fullmatch(part)
        for part in parts
    )


def _parts(head: str) -> list[str]:
    undated = _NUMBERED_DATE.sub(",", head)
    spaced = _AGENCY.sub(lambda agency: f",{agency[0]},", undated)
    return [part.strip() for part in re.split(r"[,|/]|\s[-–—]+\s", spaced) if part.strip(" ()[].")]


def _starts_sentence(rest: str) -> bool:
    first = rest.lstrip("“\"'‘(«")[:1]
    return first.isupper() or first.isdigit() or not first.isascii()


def _is_head(head: str, source: str, rest: str) -> bool:
    parts = _parts(head)
    if not 0 < len(parts) <= 5 or not all(_is_part(part, source) for part in parts):
        return False
    if any(_names_source(part, source) or _AGENCY.fullmatch(part) for part in parts):
        return True
    following = re.split(r"[\s,.]", rest, maxsplit=1)[0]
    if _is_place(following) and not _is_place(" ".join(rest.split()[:3])):
        return False
    return _is_place(parts[0]) or (len(parts) > 1 and parts[0].isupper() and not rest.isupper())


def _is_part(part: str, source: str) -> bool:
    """Say whether this can stand in a dateline: one to four capitalised words, a date, a source."""
    if _names_source(part, source) or _AGENCY.fullmatch(part) or _DATE_PART.fullmatch(part):
        return True
    words = part.split()
    return len(words) <= 4 and all(_HEAD_WORDS.match(word) and word[0].isupper() for word in words)


def _names_source(part: str, source: str) -> bool:
    bare = part.strip("()[] .")
    return bool(_DOMAIN.fullmatch(bare)) or bool(source and bare.casefold() == source.casefold())


def _is_place(part: str) -> bool:
    words = part.casefold().strip("()[] .").split()
    if not words or len(words) > 4 or not part[:1].isupper():
        return False
    if words[0] in _PLACE_PREFIX and len(words) > 1:
        return part.isupper() or words[1] in _PLACES
    return words[0] in _PLACES and all(word in _PLACES or word in _DIRECTIONS for word in words[1:])
