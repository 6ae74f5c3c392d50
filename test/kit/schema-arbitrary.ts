import fc from 'fast-check';

/** JSON Schema as far as the OpenAPI document of the product uses it for requests. */
export interface Schema {
  additionalProperties?: boolean;
  $ref?: string;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  allOf?: Schema[];
  anyOf?: Schema[];
}

type Resolve = (schema: Schema) => Schema;

/** A value the schema takes. */
export function valid(schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  const { enum: choices, type, format, items, minLength = 0, ...rest } = resolve(schema);
  if (choices) return fc.constantFrom(...choices);
  const kind = Array.isArray(type) ? type.find((one) => one !== 'null') : type;
  switch (kind ?? 'string') {
    case 'object': {
      const shapes = Object.entries(rest.properties ?? {}).map(([name, inner]) => [
        name,
        valid(inner, resolve),
      ]);
      return fc.record(Object.fromEntries(shapes) as Record<string, fc.Arbitrary<unknown>>, {
        requiredKeys: rest.required ?? [],
      });
    }
    case 'array':
      return fc.array(valid(items ?? {}, resolve), { minLength: rest.minItems ?? 0, maxLength: 3 });
    case 'integer':
    case 'number':
      return fc.integer({ min: rest.minimum ?? 0, max: rest.maximum ?? 1000 });
    case 'boolean':
      return fc.boolean();
    default:
      if (format === 'uuid') return fc.uuid({ version: 7 });
      if (format === 'email') return fc.nat(999).map((n) => `p${n}@example.com`);
      if (format === 'date-time') return fc.constant('2030-01-01T00:00:00.000Z');
      return fc
        .stringMatching(/^[a-z]{3,10}$/)
        .map((text) => text.padEnd(minLength, 'x').slice(0, rest.maxLength ?? 100));
  }
}

/** One thing wrong with a body: where, and what stands there instead. */
export interface Mutation {
  /** What was done, for the message when it was taken. */
  readonly what: string;
  /** The path that the refusal must name. */
  readonly path: string;
  readonly apply: (body: Record<string, unknown>) => unknown;
}

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

/** Everything that is done wrong to a body of this schema, field by field, in nested objects too. */
export function mutations(schema: Schema, resolve: Resolve, prefix = ''): Mutation[] {
  const { properties = {}, required = [] } = resolve(schema);
  const here = Object.entries(properties).flatMap(([name, declared]): Mutation[] => {
    const field = resolve(declared);
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const set = (what: string, value: unknown, at = path): Mutation => ({
      what: `${what} at ${path}`,
      path: at,
      apply: (body) => ({ ...body, [name]: value }),
    });
    const type = Array.isArray(field.type) ? field.type.find((one) => one !== 'null') : field.type;
    const list: Mutation[] = [set('an object', { a: 1 }), set('nesting', deep(40))];
    if (type !== 'boolean') list.push(set('a boolean', true));
    if (type !== 'integer' && type !== 'number') list.push(set('a number', 7));
    if (type !== 'array') list.push(set('an array', ['x']));
    if (required.includes(name)) {
      if (!Array.isArray(field.type) || !field.type.includes('null')) list.push(set('null', null));
      list.push({
        what: `nothing at ${path}`,
        path,
        apply: (body) => Object.fromEntries(Object.entries(body).filter(([key]) => key !== name)),
      });
    }
    if (type === 'string') {
      list.push(set('NUL', 'a\0b'), set('half a pair', 'a\ud800b'));
      if (field.maxLength !== undefined) list.push(set('too long', 'x'.repeat(field.maxLength + 1)));
      if (field.format === 'uuid') list.push(set('a bad UUID', '0190-not-a-uuid'));
      if (field.format === 'email') list.push(set('no address', 'nobody at example'));
      if (field.format === 'date-time') list.push(set('no time', 'tomorrow'));
      if (field.enum) list.push(set('no choice', 'something else'));
    }
    if (type === 'integer') list.push(set('a fraction', 1.5), set('too large', 1e300), set('text', '7'));
    if (type === 'array') {
      const wrong = resolve(field.items ?? {}).type === 'integer' ? 'x' : 7;
      list.push(set('text for a list', 'x'), set('a wrong item', [wrong], `${path}[0]`));
      if (field.maxItems !== undefined) list.push(set('too many', Array(field.maxItems + 1).fill('x')));
    }
    if (type === 'object') {
      for (const inner of mutations(field, resolve, path)) {
        list.push({
          what: inner.what,
          path: inner.path,
          apply: (body) => ({
            ...body,
            [name]: inner.apply((body[name] ?? {}) as Record<string, unknown>),
          }),
        });
      }
      // Of an object that an object stands for, its own fields are missing.
      return list.filter(({ what }) => what !== `an object at ${path}`);
    }
    return list;
  });
  // What is open by its schema takes any field.
  if (schema.additionalProperties === true) return here;
  const extra = prefix === '' ? 'no_such_field' : `${prefix}.no_such_field`;
  return [
    ...here,
    { what: `an unknown field at ${extra}`, path: extra, apply: (body) => ({ ...body, no_such_field: 1 }) },
  ];
}
