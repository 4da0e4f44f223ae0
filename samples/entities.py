"""Legal entities of a county: firms, cooperatives, and the shops a fifteen-minute circle of daily life needs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from samples.addresses import COMMERCIAL, RESIDENTIAL
from samples.codes import credit_codes
from samples.community import ENTITIES_A_PERSON, NUMBERS_A_COUNTY, Community
from samples.draw import Bools, Ints, Texts, between, choose, digits, generator, join, plain, take, where
from samples.people import phones
from samples.residence import NONE

KINDS = ("self_employed", "enterprise", "cooperative")
KIND_WEIGHTS = (70, 27, 3)
REGISTERS = ("92", "91", "93")
STATUSES = ("active", "cancelled", "revoked", "relocated")
STATUS_WEIGHTS = (88, 7.5, 4, 0.5)
WITHOUT_CODE = 0.09  # self-employed who still have the 15-digit number only
WITHOUT_ADDRESS_CODE = 0.1
AT_HOME = 0.3
# Industry (GB/T 4754 class), what such a business is called, weight.
SHOPS = (
    "5213 便利店 16,5212 超市 10,5223 果蔬店 6,5225 生鲜店 5,6220 早餐店 9,6210 饭店 9,8040 理发店 7,"
    "8030 洗衣店 2,5251 药店 3,8010 家政服务部 2,8191 维修部 4,8111 汽车维修店 3,8131 自行车修理铺 1,"
    "4210 再生资源回收站 2,6020 快递驿站 4,5211 百货店 5,5222 粮油店 4,6231 茶馆 1,5431 货运服务部 5,8425 诊所 1,"
    "0141 蔬菜种植户 2"
)
FIRMS = (
    "3311 金属结构有限公司 8,1711 纺织有限公司 5,4710 建筑工程有限公司 14,5431 物流有限公司 9,"
    "5212 商贸有限公司 20,5251 医药有限公司 3,7040 房地产经纪有限公司 4,8010 家政服务有限公司 4,"
    "6110 酒店管理有限公司 2,8310 幼儿园有限公司 2,C 机械制造有限公司 9,I 软件科技有限公司 8,"
    "L 企业管理咨询有限公司 7,M 技术服务有限公司 5,4210 再生资源有限公司 2"
)
FARMS = "0111 水稻种植专业合作社 4,0141 蔬菜种植专业合作社 4,0313 生猪养殖专业合作社 2"
FIRST = "鑫锦福瑞恒宏永祥盛泰佳美华东顺兴和利通达百万家乐金源龙凤春"
SECOND = "源程泽丰达隆昌盛和顺通发旺康宁安乐惠民诚信邦业辉鸿润嘉"


@dataclass(frozen=True)
class Entities:
    """One entry an entity; `person` is the index of its legal representative, days are day numbers."""

    number: Texts
    code: Texts
    name: Texts
    kind: Ints
    industry: Texts
    person: Ints
    capital: np.ndarray
    established: Ints
    status: Ints
    address: Ints
    unit: Ints
    phone: Texts
    updated: Ints
    address_known: Bools


def register(community: Community) -> Entities:
    """Draw the entities of a county: about 650 for 3,883 people, in the units where people live."""
    plan, county = community.plan, community.county
    rng = generator(plan.seed, "entities", county.code)
    size = max(round(len(community.members) * ENTITIES_A_PERSON), 1)
    adults = np.flatnonzero(community.residence.living & (community.ages >= 20) & (community.ages < 75))
    person = adults[rng.integers(0, len(adults), size)]
    unit = community.households.unit[community.members.household[person]]
    kind = choose(rng, KIND_WEIGHTS, size)
    industry, word = _businesses(rng, kind)
    established = plan.today - between(rng, 20, 8_000, size)
    serial = np.arange(size, dtype=np.int64)
    code = credit_codes(take(REGISTERS, kind), county.prefix, serial)
    return Entities(
        number=join(county.prefix, take(("6", "1", "3"), kind), digits(serial + 1, 8)),
        code=where((kind == 0) & (rng.random(size) < WITHOUT_CODE), None, code),
        name=_names(rng, community, kind, word),
        kind=kind,
        industry=industry,
        person=person,
        capital=np.where(kind == 0, between(rng, 1, 20, size), between(rng, 1, 100, size) * 10).astype(np.float64),
        established=established,
        status=choose(rng, STATUS_WEIGHTS, size),
        address=_sites(rng, community, unit),
        unit=unit,
        phone=where(rng.random(size) < 0.9, phones(rng, size), None),
        updated=np.maximum(plan.today - between(rng, 1, 364, size), established),
        address_known=rng.random(size) >= WITHOUT_ADDRESS_CODE,
    )


def _businesses(rng: np.random.Generator, kind: Ints) -> tuple[Texts, Texts]:
    industry = np.empty(len(kind), dtype=np.int64)
    rows: list[list[str]] = []
    for index, table in enumerate((SHOPS, FIRMS, FARMS)):
        own = [item.split() for item in table.split(",")]
        mine = np.flatnonzero(kind == index)
        industry[mine] = len(rows) + choose(rng, [float(row[2]) for row in own], len(mine))
        rows += own
    return take([row[0] for row in rows], industry), take([row[1] for row in rows], industry)


def _names(rng: np.random.Generator, community: Community, kind: Ints, word: Texts) -> Texts:
    size = len(kind)
    county = community.county
    parts = [take(list(pool), rng.integers(0, len(pool), size)) for pool in (FIRST, SECOND, SECOND)]
    prefecture = county.prefecture.removesuffix("市")
    place = where(kind == 1, prefecture, county.prefecture + county.title)
    return plain(join(place, *parts, word))


def _sites(rng: np.random.Generator, community: Community, unit: Ints) -> Ints:
    """An address in the entity's unit: a shop, or a home."""
    addresses = community.addresses
    units = len(community.county.units)
    site = np.full(len(unit), NONE, dtype=np.int64)
    at_home = rng.random(len(unit)) < AT_HOME
    for use, mine in ((COMMERCIAL, ~at_home), (RESIDENTIAL, at_home)):
        pool = addresses.of_use(use)
        counts = np.bincount(addresses.unit[pool], minlength=units)
        starts = np.cumsum(counts) - counts
        offset = (rng.random(len(unit)) * counts[unit]).astype(np.int64)
        site = np.where(mine, pool[np.minimum(starts[unit] + offset, len(pool) - 1)], site)
    return site


def entity_ids(community: Community, size: int) -> pa.Array:
    """The truth's own key of each entity."""
    return pa.array(community.county.position * NUMBERS_A_COUNTY + np.arange(size, dtype=np.int64))
