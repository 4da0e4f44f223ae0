"""The review queue at the portal, for operators whose grant covers the whole hub: pairs that two people must decide."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from hub.context import Hub
from hub.errors import StopError
from hub.exchange.grants import Grant
from hub.ledger.decisions import decide
from hub.linking.models import MODELS
from hub.linking.people import Pair, pairs_for_people
from hub.portal.frame import ThePortal, language_of, render, sees_quality
from hub.portal.session import SignedIn, check_csrf
from hub.portal.words import Language, name_of

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_AT_ONCE = 20
_TOO_LARGE = 2**31
"""Pairs are numbered by PostgreSQL's integer."""
_WORDS: Mapping[str, Mapping[Language, str]] = {
    "title": {"zh": "待判断的配对", "en": "Pairs to decide"},
    "lead": {
        "zh": "这些记录可能属于同一个人或单位，系统不能确定。须由两人分别判断，意见一致才生效；第二人不得为同一人。",
        "en": "These rows may be of one person or unit; the model is not sure. Two different people must say the same.",
    },
    "none": {"zh": "目前没有待判断的配对。", "en": "Nothing waits to be decided."},
    "waiting": {"zh": "等待您判断 {count} 对", "en": "{count} wait for you"},
    "for_others": {"zh": "您已判断、等待第二人判断 {count} 对", "en": "{count} wait for a second person"},
    "pair": {"zh": "第 {number} 对", "en": "Pair {number}"},
    "likely": {"zh": "可能性 {percent}%", "en": "{percent}% likely"},
    "asked": {"zh": "人工提出", "en": "asked by a person"},
    "said_by": {"zh": "已有 {count} 人判断", "en": "{count} have decided"},
    "left": {"zh": "无可用号码的记录", "en": "Without a usable number"},
    "right": {"zh": "可能是", "en": "May be"},
    "gone": {"zh": "本期数据中已没有这条记录。", "en": "The last build no longer has it."},
    "source": {"zh": "来源", "en": "Source"},
    "number": {"zh": "证件号码或代码", "en": "Number or code"},
    "reason": {"zh": "理由", "en": "Reason"},
    "same": {"zh": "是同一个", "en": "The same"},
    "different": {"zh": "不是同一个", "en": "Different"},
    "noted": {"zh": "已记录。", "en": "Noted."},
    "refused": {
        "zh": "未记录：须写明理由；同一人不能判断两次；该配对可能已经判定。",
        "en": "Not noted: a reason is needed, nobody decides twice, or the pair is decided already.",
    },
}


def _reviewer(portal: ThePortal, grant: SignedIn) -> Grant:
    if not sees_quality(portal, grant):
        raise HTTPException(404)
    return grant


Reviewer = Annotated[Grant, Depends(_reviewer)]
"""A route's parameter of this type is the grant of somebody who may see everybody's rows."""


@router.get("/links")
def links_page(request: Request, portal: ThePortal, grant: Reviewer) -> Response:
    """Show the first open pairs that the operator has not decided yet; who looked at which is audited."""
    pairs = pairs_for_people(portal.hub)
    mine = [one for one in pairs if _actor(grant) not in {said.actor for said in one.review.opinions}]
    shown = mine[:_AT_ONCE]
    portal.hub.ledger.audit(
        "link_pairs_shown", grant.operator, {"grant": grant.id, "pairs": [one.review.number for one in shown]}
    )
    language = language_of(request)
    return render(
        request,
        "review.html",
        grant=grant,
        pairs=[_shown(portal.hub, language, one) for one in shown],
        waiting=len(mine),
        for_others=len(pairs) - len(mine),
        message=request.session.pop("link_message", None),
        w=partial(_say, language),
    )


@router.post("/links/{number}")
def submit_decision(
    request: Request,
    portal: ThePortal,
    grant: Reviewer,
    number: int,
    verdict: Annotated[str, Form(max_length=20)],
    reason: Annotated[str, Form(max_length=500)] = "",
    csrf_token: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Note what the signed-in operator says of a pair."""
    check_csrf(request, csrf_token)
    if not 0 < number < _TOO_LARGE:
        raise HTTPException(404)
    try:
        review = decide(portal.hub.database, number, _actor(grant), verdict, reason)
    except StopError:
        request.session["link_message"] = "refused"
    else:
        details = {"grant": grant.id, "pair": number, "verdict": verdict, "state": review.state}
        portal.hub.ledger.audit("link_decision", grant.operator, details)
        request.session["link_message"] = "noted"
    return RedirectResponse("/links", 303)


def _actor(grant: Grant) -> str:
    """Who has an opinion: the operator, by whichever of their grants they have signed in."""
    return f"portal:{grant.operator}"


def _say(language: Language, key: str, **values: object) -> str:
    return _WORDS[key][language].format(**values)


def _shown(hub: Hub, language: Language, pair: Pair) -> dict[str, object]:
    """A pair as the template wants it: titles of fields, and a line for each dataset of either side."""
    model = next(one for one in MODELS if one.entity == pair.review.entity)
    names = [name for name in model.fields if any(name in line for line in (*pair.left, *pair.right))]
    titles = _titles(hub)
    return {
        "review": pair.review,
        "percent": None if pair.review.probability is None else round(pair.review.probability * 100, 1),
        "agreeing": [name_of(language, name, titles.get(name, name)) for name in pair.review.why.split("+") if name],
        "names": names,
        "titles": {name: name_of(language, name, titles.get(name, name)) for name in names},
        "sides": [[_line(hub, language, line) for line in side] for side in (pair.left, pair.right)],
    }


def _titles(hub: Hub) -> dict[str, str]:
    """Chinese titles of columns by name, those of base tables before those of datasets."""
    contracts = [*hub.contracts.sources.values(), *hub.contracts.base.values()]
    titles = {column.name: column.title for contract in contracts for column in contract.columns}
    return {**titles, "number": _WORDS["number"]["zh"]}


def _line(hub: Hub, language: Language, line: Mapping[str, str]) -> dict[str, str]:
    """One dataset's words: codes as titles, the number in part, as a roster shows it."""
    shown = dict(line)
    source = hub.contracts.sources.get(line["tail"])
    shown["tail"] = (source.title if language == "zh" else source.tail) if source else line["tail"]
    for name, listed in (("division_code", "division"), ("sex_code", "sex")):
        if name in line:
            shown[name] = hub.contracts.codelists[listed].titles.get(line[name], line[name])
    if number := line.get("number"):
        shown["number"] = f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}" if len(number) > 10 else "****"
    return shown
