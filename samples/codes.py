"""Numbers that are valid in form: resident IDs, credit codes, their check digits, and the older 15-digit form.

No number made here can belong to anyone: the county part of an ID is a zone prefix (xxxx7x) the police never issue, and
the organisation part of a credit code begins with MY, a block that has not been given out.
"""

import numpy as np
import pyarrow as pa

from samples.dates import compact
from samples.draw import Bools, Ints, Texts, rank_within

ID_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
ID_CHECK = "10X98765432"
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_WEIGHTS = np.array([3**i % 31 for i in range(17)], dtype=np.int64)
ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
ORGANISATION_BLOCK = "MY"
# 996-999 marked centenarians in 15-digit IDs; a number ending in 000 would look cut by a spreadsheet.
SEQUENCES = {male: np.array([n for n in range(1, 995) if n % 2 == male and n % 100], dtype=np.int64) for male in (0, 1)}
STRIDE = 37


def resident_ids(prefix: Ints, birth: Ints, male: Bools, share: int = 0) -> Texts:
    """Unique resident IDs (GB 11643-1999) for people of the given prefix, birth day and sex.

    Args:
        prefix: the six-digit county part of each person.
        birth: day numbers since 1970-01-01.
        male: sex; odd sequence for men, even for women.
        share: 0 or 1, the half of the sequences to use, where two counties have one prefix.

    Raises:
        ValueError: more people of one sex were born on one day in one prefix than there are sequences.
    """
    stem = prefix * 100_000_000 + compact(birth)
    rank = rank_within(stem * 2 + male)
    sequence = np.empty(len(stem), dtype=np.int64)
    for sex, numbers in SEQUENCES.items():
        mine = male == bool(sex)
        usable = numbers[share::2]
        if mine.any() and int(rank[mine].max()) >= len(usable):
            raise ValueError(
                f"samples: more than {len(usable)} births of one sex on one day in one prefix; use fewer --people"
            )
        sequence[mine] = usable[(rank[mine] * STRIDE + stem[mine] % 97) % len(usable)]
    body = stem * 1000 + sequence
    figures = body[:, None] // 10 ** np.arange(16, -1, -1, dtype=np.int64) % 10
    marks = np.frombuffer(ID_CHECK.encode(), dtype=np.uint8)
    letters = np.empty((len(body), 18), dtype=np.uint8)
    letters[:, :17] = figures + ord("0")
    letters[:, 17] = marks[figures @ ID_WEIGHTS % 11]
    return _strings(letters)


def to_fifteen(id_number: str) -> str:
    """The 15-digit form of an ID of a person born in the 1900s: without the century and the check digit."""
    return id_number[:6] + id_number[8:17]


def credit_codes(register: Texts, county: str, serial: Ints) -> Texts:
    """Unified social credit codes (GB 32100-2015) with a valid organisation code inside (GB 11714).

    Args:
        register: the two leading characters of each entity, such as 91, 92, 93, 51, 52.
        county: the six digits of the registering county.
        serial: a number of its own for each entity, below 31 to the power of 6.
    """
    rows = len(serial)
    letters = np.empty((rows, 18), dtype=np.uint8)
    letters[:, :2] = np.frombuffer("".join(register.to_pylist()).encode(), dtype=np.uint8).reshape(rows, 2)
    letters[:, 2:8] = np.frombuffer(county.encode(), dtype=np.uint8)
    letters[:, 8:10] = np.frombuffer(ORGANISATION_BLOCK.encode(), dtype=np.uint8)
    alphabet = np.frombuffer(CREDIT_ALPHABET.encode(), dtype=np.uint8)
    letters[:, 10:16] = alphabet[serial[:, None] // 31 ** np.arange(5, -1, -1, dtype=np.int64) % 31]
    body = letters[:, 8:16].astype(np.int64)
    values = np.where(body >= ord("A"), body - ord("A") + 10, body - ord("0"))
    checks = np.frombuffer(b"0123456789X0", dtype=np.uint8)
    letters[:, 16] = checks[11 - values @ ORGANISATION_WEIGHTS % 11]
    index = np.zeros(128, dtype=np.int64)
    index[alphabet] = np.arange(31)
    letters[:, 17] = alphabet[(31 - index[letters[:, :17]] @ CREDIT_WEIGHTS % 31) % 31]
    return _strings(letters)


def _strings(letters: np.ndarray) -> Texts:
    width = letters.shape[1]
    offsets = np.arange(0, letters.size + 1, width, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters))]
    return pa.Array.from_buffers(pa.string(), len(letters), buffers)
