import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '#kernel';
import { MAX_DEPTH, parseStrictJson } from './strict-json.ts';

const parse = (text: string | Uint8Array) =>
  parseStrictJson(typeof text === 'string' ? Buffer.from(text) : text);

function faultOf(text: string | Uint8Array): Fault {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('was not refused');
}

/** JSON values with the keys and texts that break parsers. */
const awkward = fc.oneof(
  fc.constantFrom(
    '',
    '"',
    '\\',
    '\\"',
    '{',
    ':',
    ',',
    '\u2028',
    '😀',
    'constructor',
    'toString',
    'a.b',
    '[0]',
  ),
  fc.string(),
);
const { value: anyJson } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<unknown>(null, true, false, 0, -0, 1.5, -1e-7, 1e15, Number.MAX_SAFE_INTEGER),
    awkward.filter((text) => !text.includes('\0')),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      awkward.filter((key) => !key.includes('\0') && key !== '__proto__' && key !== 'prototype'),
      tie('value'),
      { maxKeys: 4 },
    ),
  ),
}));

describe('strict JSON', () => {
  it('accepts what JSON.parse accepts, with an equal value', () => {
    fc.assert(
      fc.property(anyJson, fc.constantFrom(0, 1, '\t'), fc.boolean(), (value, indent, ascii) => {
        let text = JSON.stringify(value, null, indent);
        if (ascii)
          text = text.replace(/[^ -~\s]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
        // Not toEqual: it asks values for their constructor, which here may be a key.
        expect(isDeepStrictEqual(parse(text), JSON.parse(text))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses every text with a duplicate key, however it is written and wherever it stands', () => {
    const key = awkward.filter(
      (text) => !text.includes('\0') && text !== '__proto__' && text !== 'prototype',
    );
    fc.assert(
      fc.property(
        key,
        anyJson,
        anyJson,
        anyJson,
        fc.nat(4),
        fc.boolean(),
        (name, a, b, between, depth, ascii) => {
          const escaped = `"${[...Array(name.length).keys()]
            .map((i) => `\\u${name.charCodeAt(i).toString(16).padStart(4, '0')}`)
            .join('')}"`;
          const again = ascii ? escaped : JSON.stringify(name);
          let text = `{${JSON.stringify(name)}:${JSON.stringify(a)},"~":${JSON.stringify(between)},${again} : ${JSON.stringify(b)}}`;
          for (let i = 0; i < depth; i++) text = i % 2 === 0 ? `[1,${text}]` : `{"in":${text}}`;
          expect(faultOf(text).code).toBe('http.invalid_json');
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('never does anything but accept or refuse, whatever the bytes', () => {
    const json = fc.array(fc.constantFrom(...'{}[]:,"\\u0dDeE+-.123ntrue '.split('')), { maxLength: 30 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          json.map((parts) => Buffer.from(parts.join(''))),
        ),
        (bytes) => {
          try {
            parse(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
            expect((error as Fault).kind).toBe('invalid');
          }
        },
      ),
      { numRuns: 5000 },
    );
  });

  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

  it.each([
    ['', 'http.invalid_json', ''],
    ['  ', 'http.invalid_json', ''],
    ['{"a":1,}', 'http.invalid_json', ''],
    ['{"a":1} x', 'http.invalid_json', ''],
    ['\ufeff{}', 'http.invalid_json', ''],
    ['{"a":1,"b":2,"a":3}', 'http.invalid_json', 'a'],
    ['{"a":1,"\\u0061":3}', 'http.invalid_json', 'a'],
    ['{"m":[{"e":1},{"x":{"e":1,"e":1}}]}', 'http.invalid_json', 'm[1].x.e'],
    ['{"__proto__":{}}', 'http.invalid_json', '__proto__'],
    ['{"\\u005f_proto__":{}}', 'http.invalid_json', '__proto__'],
    ['[{"constructor":{"prototype":{}}}]', 'http.invalid_json', '[0].constructor.prototype'],
    ['{"a":["x","\\u0000"]}', 'http.invalid_input', 'a[1]'],
    ['{"a":"\\ud800"}', 'http.invalid_input', 'a'],
    ['{"a":"\\udc00\\ud800"}', 'http.invalid_input', 'a'],
    ['{"a\\u0000":1}', 'http.invalid_input', ''],
    ['{"a":9007199254740992}', 'http.invalid_input', 'a'],
    ['{"a":-1e400}', 'http.invalid_input', 'a'],
    [deep(MAX_DEPTH + 1), 'http.invalid_json', '[0]'.repeat(MAX_DEPTH)],
    [deep(100_000), 'http.invalid_json', '[0]'.repeat(MAX_DEPTH)],
  ])('refuses %.40s', (text, code, path) => {
    const fault = faultOf(text);
    expect(fault.code).toBe(code);
    expect(fault.errors?.[0]?.path).toBe(path);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(faultOf(Buffer.from([0x22, 0xff, 0x22])).errors?.[0]?.message).toBe('is not valid UTF-8');
    expect(faultOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])).code).toBe('http.invalid_json');
  });

  it('accepts the deepest nesting allowed and whole pairs of surrogates', () => {
    expect(parse(deep(MAX_DEPTH))).toBeTruthy();
    expect(parse('"\\ud83d\\ude00"')).toBe('😀');
    expect(parse('{"a":"\\\\","b":"\\\\\\""}')).toEqual({ a: '\\', b: '\\"' });
  });

  it('does not tell what the body held', () => {
    const fault = faultOf('{"password":"hunter2-planted",,}');
    expect(JSON.stringify(fault)).not.toContain('hunter2');
    expect(fault.message).not.toContain('hunter2');
    expect(fault.cause).toBeUndefined();
  });
});
