"""Invented names of people: weighted surnames, given names of their generation, some minority and some rare ones."""

import numpy as np
import pyarrow as pa

from samples.draw import Bools, Ints, Texts, choose, join, plain, take, where

# Surnames by rough share in parts of a thousand; the tail stands for everyone else.
SURNAMES = (
    "王 72,李 70,张 68,刘 52,陈 45,杨 30,赵 24,黄 20,周 20,吴 20,徐 22,孙 20,胡 12,朱 16,高 12,林 9,何 9,郭 11,"
    "马 12,罗 8,梁 7,宋 9,郑 9,谢 8,韩 9,唐 8,冯 7,于 6,董 7,萧 2,程 6,曹 7,袁 6,邓 5,许 7,傅 3,沈 6,曾 4,彭 5,"
    "吕 5,苏 5,卢 4,蒋 5,蔡 5,贾 4,丁 5,魏 5,薛 4,叶 4,阎 2,余 4,潘 4,杜 5,戴 4,夏 4,钟 3,汪 4,田 4,任 4,姜 4,"
    "范 4,方 4,石 4,姚 4,谭 3,廖 2,邹 3,熊 3,金 4,陆 4,郝 3,孔 3,白 3,崔 4,康 2,毛 3,邱 3,秦 4,江 3,史 3,顾 4,"
    "侯 3,邵 3,孟 4,龙 2,万 2,段 3,钱 3,汤 3,尹 3,黎 1,易 1,常 2,武 2,乔 2,贺 2,赖 1,龚 2,文 2,欧阳 1,司马 1,"
    "上官 1,诸葛 1"
)
GIVEN_FIRST = {
    ("male", 0): "建国志文德明永学金玉正兴广长庆世宝福振家传守士殿云怀克立绍继",
    ("male", 1): "建伟军志海国永晓立文卫明庆红勇新春东永俊学剑光利亚继振兴世跃",
    ("male", 2): "子浩宇俊梓奕一思嘉天泽博瑞明晨铭皓睿逸景家佳雨承书沐弘辰星锦",
    ("female", 0): "秀桂玉兰淑凤金素月翠美爱春惠英云巧彩瑞贵荣莲雪香菊珍清侠",
    ("female", 1): "丽红艳小晓海春雪秀亚文燕玉美爱静冬利立娟慧敏淑素巧彩晶君萍",
    ("female", 2): "子梓欣雨诗佳思一语若梦可雅婉心依嘉奕紫馨书沐清晨乐静舒芷晗悦",
}
GIVEN_LAST = {
    ("male", 0): "国华明军生林山海荣福成义礼仁信才德堂田民清泉喜臣贵元亮启财",
    ("male", 1): "军伟强勇刚峰涛辉斌杰鹏超波平明亮东健飞龙磊俊华民林宁旭凯浩",
    ("male", 2): "轩宇涵泽然博睿豪航晨皓辰霖昊阳哲凡瑞熙翔铭远宸恒煜源佑祺诚乐",
    ("female", 0): "英兰芳华珍梅琴荣莲香云霞凤侠美菊玲娥芝环勤芬爱平真翠民",
    ("female", 1): "丽娟敏静芳艳霞玲红梅燕萍娜琴洁华莉娟青云平玉侠慧婷颖莹蕾",
    ("female", 2): "涵萱怡琪瑶妍彤婷然雯悦欣蕊诺菲琳月晴颖宁雪慧汐媛柔桐曦航予",
}
RARE_CHARACTERS = "㳇㛃㬎㼆㟃"  # in GB18030, not in GBK: four bytes each
MINORITY_FIRST = ("阿卜杜", "买买提", "艾合买提", "古丽", "阿依", "热娜", "玉素甫", "帕提", "努尔", "库尔班")
MINORITY_LAST = ("热合曼", "吐尔逊", "克里木", "尼亚孜", "依明", "巴拉提", "努尔", "沙吾提", "司马义", "艾力")
UYGHUR = "05"
RARE_SHARE = 0.002
SINGLE_SHARE = (0.10, 0.22, 0.10)  # one given character instead of two, by generation


def surname_table() -> tuple[list[str], list[float]]:
    """Surnames and their weights."""
    pairs = [item.split() for item in SURNAMES.split(",")]
    return [name for name, _ in pairs], [float(weight) for _, weight in pairs]


def draw_surnames(rng: np.random.Generator, size: int) -> Ints:
    """Indices into the surname table."""
    return choose(rng, surname_table()[1], size)


def generation_of(birth_year: Ints) -> Ints:
    """0 for the old, 1 for those born from 1962, 2 from 1996: names come in fashions."""
    return np.searchsorted(np.array([1962, 1996]), birth_year, side="right").astype(np.int64)


def full_names(
    rng: np.random.Generator, surname: Ints, male: Bools, birth_year: Ints, ethnicity: Texts
) -> tuple[Texts, Bools]:
    """Invented full names and, for each, whether it holds a character outside GBK.

    Args:
        rng: the stream of chance.
        surname: indices into the surname table.
        male: sex of each person.
        birth_year: the year of birth; it sets the fashion.
        ethnicity: GB/T 3304 codes; Uyghur names have a dot and no surname.
    """
    size = len(surname)
    generation = generation_of(birth_year)
    given = join(*(_given(rng, table, male, generation) for table in (GIVEN_FIRST, GIVEN_LAST)))
    single = rng.random(size) < np.array(SINGLE_SHARE)[generation]
    given = where(single, _given(rng, GIVEN_LAST, male, generation), given)
    dotted = np.asarray(pa.compute.equal(ethnicity, UYGHUR).to_numpy(zero_copy_only=False), dtype=np.bool_)
    rare = (rng.random(size) < RARE_SHARE) & ~dotted
    given = where(rare, take(list(RARE_CHARACTERS), rng.integers(0, len(RARE_CHARACTERS), size)), given)
    names = join(take(surname_table()[0], surname), given)
    minority = join(
        take(MINORITY_FIRST, rng.integers(0, len(MINORITY_FIRST), size)),
        "·",
        take(MINORITY_LAST, rng.integers(0, len(MINORITY_LAST), size)),
    )
    return plain(where(dotted, minority, names)), rare


def _given(rng: np.random.Generator, table: dict[tuple[str, int], str], male: Bools, generation: Ints) -> Texts:
    groups = [table[sex, age] for age in range(3) for sex in ("female", "male")]
    starts = np.cumsum([0, *(len(group) for group in groups)])
    group = generation * 2 + male
    lengths = np.array([len(item) for item in groups])[group]
    offset = (rng.random(len(male)) * lengths).astype(np.int64)
    return take(list("".join(groups)), starts[group] + offset)
