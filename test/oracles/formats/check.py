"""Lines of the export, read by parsers that nobody here wrote: pycef and OpenStack's pycadf.

Called with the folder of the golden lines. Each format's lines speak of the same events in the same order as the
native ones, so what a parser reads out of a line is compared with what the native line says. Ends with 1 and says
where a parser disagrees.
"""

import json
import sys
from pathlib import Path

import pycef
from pycadf import event, host, reason, resource

folder = Path(sys.argv[1])
wrong = 0


def lines(name):
    return (folder / f'{name}.ndjson').read_text(encoding='utf-8').split('\n')[:-1]


native = [json.loads(line) for line in lines('native')]


def same(where, found, expected):
    global wrong
    if found != expected:
        wrong += 1
        print(f'{where}: read {found!r}, is {expected!r}')


def personal(one, path):
    value = one['personal'].get(path)
    return value['value'] if isinstance(value, dict) else value


def unescaped(text):
    """pycef leaves escapes of values as they stand."""
    return None if text is None else text.replace('\\=', '=').replace('\\\\', '\\')


def check_cef():
    found = lines('cef')
    same('cef: lines', len(found), len(native))
    for n, (line, one) in enumerate(zip(found, native), 1):
        parsed = pycef.parse(line)
        if parsed is None:
            same(f'cef {n}', None, 'a CEF line')
            continue
        for key, expected in {
            'CEFVersion': '0',
            'DeviceVendor': 'Portcullis',
            'DeviceProduct': 'Portcullis',
            'DeviceEventClassID': one['action'],
            'act': one['action'],
            'externalId': one['id'],
            'outcome': one['outcome'],
            'reason': one.get('reason'),
            'suid': one['actor']['id'],
            'organization': one['org'],
            'position': str(one['pos']),
            'leafHash': one['leafHash'],
            'prevHash': one['prevHash'],
            'requestMethod': one['request']['method'],
            'request': one['request']['route'],
        }.items():
            same(f'cef {n} {key}', unescaped(parsed.get(key)), expected)
        if isinstance(one['personal'].get('actor.display'), dict):
            same(f'cef {n} suser', unescaped(parsed.get('suser')), personal(one, 'actor.display'))
        if 'changes' in one:
            same(f'cef {n} changes', json.loads(unescaped(parsed['changes'])), one['changes'])


def resource_of(given):
    where = given.get('host') or {}
    return resource.Resource(
        id=given['id'],
        typeURI=given['typeURI'],
        name=given.get('name'),
        host=host.Host(address=where.get('address'), agent=where.get('agent')),
    )


def check_cadf():
    found = lines('cadf')
    same('cadf: lines', len(found), len(native))
    for n, (line, one) in enumerate(zip(found, native), 1):
        given = json.loads(line)
        # Its setters raise where a value is not of the taxonomies of DSP0262.
        built = event.Event(
            id=given['id'],
            eventType=given['eventType'],
            eventTime=given['eventTime'],
            action=given['action'],
            outcome=given['outcome'],
            initiator=resource_of(given['initiator']),
            target=resource_of(given['target']),
            observer=resource_of(given['observer']),
            reason=reason.Reason(
                reasonType=given['reason']['reasonType'], reasonCode=given['reason']['reasonCode']
            ),
        )
        same(f'cadf {n} is valid', built.is_valid(), True)
        back = built.as_dict()
        for key in ('typeURI', 'id', 'eventType', 'eventTime', 'action', 'outcome', 'reason'):
            same(f'cadf {n} {key}', back[key], given[key])
        same(f'cadf {n} id', back['id'], one['id'])
        same(f'cadf {n} initiator', back['initiator']['id'], one['actor']['id'])
        same(f'cadf {n} target', back['target']['id'], one['target']['id'])


check_cef()
check_cadf()
sys.exit(1 if wrong or not native else 0)
