"""Which stories are about the same matter. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.types import Story

MAX_TERMS: Final = 12
LEAST_WORD_CHARS: Final = 3
TITLE_WEIGHT, TAG_WEIGHT, SUMMARY_WEIGHT = 3, 2, 1
LEAST_SCORE: Final = 6
# A long summary shares words with everything.
MOST_IN_SUMMARY: Final = 2

_WORD: Final = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
# Words of Indonesian and English headlines that tell nothing of their matter.
_COMMON: Final = """
about above ada adalah after again against agar akan akibat aku alami all also amat and anda antar
antara any apa apakah apalagi are asal atas atau awal bagai bagaimana bagi bahas bahkan bahwa
bakal baru bawah beberapa because been before begini begitu being below belum berapa beri berikan
berikut berita berlangsung bersama besar besok between bila bisa boleh both buat bukan bulan but
can capai cara cek could cukup dalam dan dapat dari daripada datang demi dengan depan di dia did
diduga digelar dilakukan dilantik diminta dini does doing down dua during each efek few for from
further gara-gara gelar guna had hadapi hadir hadiri hadirkan hal hampir hanya hari harus has have
having her here hingga his how ikut ingin ini inilah into its itself itu jadi jadwal jangan jelang
jika juga just juta kalau kali kami kamis karena kata kata-kata ke kembali kena kenapa kepada
kerap kerja ketika kini kita lagi lain lalu lama lanjut lebih lewat lima link live maka makin
malam mana masih masing-masing masuk mau melalui memang membuat meminta mengaku menjadi menjelang
menuju menurut mereka meski miliar minggu minta more most mulai naik namun new news next nih now
nya off oleh once only orang other our out over own pada pagi paling para pasca pasti pekan per
perlu pernah pertama pula pun punya rabu raih resmi ribu rp saat sabtu said saja salah saling sama
sambut same sampai sangat satu say saya says sebab sebagai sebanyak sebelum sebuah sebut secara
sedang segera sejak sejumlah sekarang sekitar selain selama selasa selesai seluruh sempat semua
senin seorang seperti seputar sering serta setelah setiap she should siap siapa simak soal some
sore suatu such sudah supaya tahun tak tampak tanpa tapi tegas telah tentang tentu terbaru
terhadap terjadi terkait termasuk ternyata tersebut terus tetap than that the their them then
there these they this those through tiba tidak tiga tinggal too turun two under until untuk upon
usai very viral waktu was were what when where which while who whom why wib will wit wita with
without would yaitu yakni yang year years you your
"""
_TELLS_NOTHING: Final = frozenset(_COMMON.split())


def telling_terms(story: Story) -> list[str]:
    """Give the words of a story's title that tell what it is about.

    In their order, in lower case, each once, at most MAX_TERMS; empty where none does.
    """
    return list(dict.fromkeys(filter(_tells, _words(story.title))))[:MAX_TERMS]


def closest(story: Story, others: Iterable[Story], limit: int) -> list[Story]:
    """Choose the stories that share enough with `story`, the closest first; `story` is left out.

    A word in both titles counts most, then a common tag, then a word of one title in the other's
    summary. Equals keep their order. Nothing rather than what shares one word by chance.
    """
    terms = telling_terms(story)
    least = LEAST_SCORE if len(terms) > 1 else TITLE_WEIGHT
    scored = [(score(story, terms, other), other) for other in others if not _same(story, other)]
    near = [item for item in scored if item[0] >= least]
    return [other for _, other in sorted(near, key=lambda item: -item[0])][:limit]


def score(story: Story, terms: Iterable[str], other: Story) -> int:
    """Count what another story shares with these terms and this story's tags."""
    wanted, title = set(terms), set(_words(other.title))
    in_summary = len(wanted.intersection(_words(other.summary)) - title)
    total = TITLE_WEIGHT * len(wanted & title) + SUMMARY_WEIGHT * min(in_summary, MOST_IN_SUMMARY)
    if total and {_tag(tag) for tag in story.tags} & {_tag(tag) for tag in other.tags}:
        total += TAG_WEIGHT
    return total


def _words(text: str) -> list[str]:
    return [found[0].casefold() for found in _WORD.finditer(text)]


def _tells(word: str) -> bool:
    return len(word) >= LEAST_WORD_CHARS and word not in _TELLS_NOTHING and not word.isdecimal()


def _tag(tag: str) -> str:
    return " ".join(tag.lstrip("#").casefold().split())


def _same(story: Story, other: Story) -> bool:
    return story.code == other.code or bool(story.id and story.id == other.id)
