"""Evaluates SPF cases with pyspf: one JSON object a line in, one out, in order.

In:  {"ip", "helo", "from", "receiver", "now", "zone": {name: {"TXT": [["strings"]], "A": ["address"], "AAAA": ["address"],
     "MX": [[10, "host"]], "PTR": ["name"], "CNAME": "name", "timeout": true | ["types"]}}}, text as latin1
Out: {"result", "explanation"}; null where pyspf used its own explanation
"""
import json
import sys

import spf

MAX_ALIASES = 16
NO_EXPLANATION = 'no explanation of the domain'
zone = {}


def key_of(name):
    return name.lower()[:-1] if name.endswith('.') else name.lower()


def records_of(name, qtype):
    """The records behind a name; raises TempError when the question fails."""
    name = key_of(name)
    seen = [name]
    while True:
        entry = zone.get(name)
        if entry is None:
            return []
        alias = entry.get('CNAME')
        if alias is None:
            break
        name = key_of(alias)
        if name in seen or len(seen) > MAX_ALIASES:
            raise spf.TempError('CNAME loop')
        seen.append(name)
    records = entry.get(qtype, [])
    timeout = entry.get('timeout', False)
    if not records and (timeout is True or (timeout and qtype in timeout)):
        raise spf.TempError('timed out')
    return records


def lookup(name, qtype, strict=True, timeout=20):
    records = records_of(name, qtype)
    if qtype == 'TXT':
        records = [[text.encode('latin-1') for text in strings] or [b''] for strings in records]
    elif qtype == 'MX':
        records = [(preference, host) for preference, host in records]
    elif qtype == 'PTR':
        records = [name[:-1] if name.endswith('.') else name for name in records]  # as its DNS libraries give it
    return [((name, qtype), record) for record in records]


spf.DNSLookup = lookup


def judge(case):
    global zone
    zone = {key_of(name): entry for name, entry in case['zone'].items()}
    query = spf.query(i=case['ip'], s=case['from'], h=case['helo'], receiver=case['receiver'], strict=1)
    query.t = str(case['now'])
    query.set_default_explanation(NO_EXPLANATION)
    try:
        result, _, explanation = query.check()
    except Exception as error:  # not a result of SPF: a crash of the engine
        return {'result': 'crash', 'explanation': '%s: %s' % (type(error).__name__, error)}
    known = result == 'fail' and explanation != NO_EXPLANATION
    return {'result': result, 'explanation': explanation if known else None}


for line in sys.stdin:
    print(json.dumps(judge(json.loads(line))), flush=True)
