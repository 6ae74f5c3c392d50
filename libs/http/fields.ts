import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { isEmail, ValidateBy, ValidateIf, ValidateNested } from 'class-validator';
import { type InputError, isId, readCursor } from '#kernel';

/**
 * One decorator per property of a request or answer class. It gives the rule for class-validator, the property in
 * the OpenAPI document and the JSON schema that the answer is serialized by, so that the three cannot disagree.
 * A class whose property carries none of these has no such property for the outside world, in or out.
 */

export type JsonSchema = { [key: string]: unknown };
export type ViewClass = new () => object;

export interface FieldOptions {
  description?: string;
  example?: unknown;
  /** May be absent. It may still not be null: that is `nullable`. */
  optional?: boolean;
  nullable?: boolean;
}

/** How a value of one kind looks (JSON Schema) and what is wrong with a given one; undefined where nothing is. */
interface Kind {
  readonly schema: JsonSchema;
  readonly fault: (value: unknown) => string | undefined;
  /** Reads the text of a query parameter. Kinds without it are text. */
  readonly fromText?: (text: string) => unknown;
}

export interface Field {
  readonly name: string;
  readonly kind: Kind | undefined;
  /** The class of a nested object or of the items of a list. */
  readonly nested: (() => ViewClass) | undefined;
  readonly list: ListLimits | undefined;
  readonly options: FieldOptions;
}

interface ListLimits {
  min: number;
  max: number;
}

const declared = new WeakMap<object, Map<string, Field>>();

/** The fields of a class by name, those of its ancestors first. Empty where it declares none. */
export function fieldsOf(type: object): ReadonlyMap<string, Field> {
  const cached = flattened.get(type);
  if (cached) return cached;
  const parent = Object.getPrototypeOf(type) as object | null;
  const inherited = typeof parent === 'function' && parent !== Function.prototype ? fieldsOf(parent) : [];
  const all = new Map([...inherited, ...(declared.get(type) ?? [])]);
  flattened.set(type, all);
  return all;
}

const flattened = new WeakMap<object, ReadonlyMap<string, Field>>();

function declare(shape: Pick<Field, 'kind' | 'nested' | 'list'>, options: FieldOptions): PropertyDecorator {
  return (target, key) => {
    const name = String(key);
    const field: Field = { name, ...shape, options };
    const own = declared.get(target.constructor) ?? new Map<string, Field>();
    declared.set(target.constructor, own.set(name, field));
    flattened.delete(target.constructor);
    const rules = [
      ValidateBy({
        name: 'field',
        validator: {
          validate: (value) => faultsOf(field, value).length === 0,
          defaultMessage: () => 'is not valid',
        },
      }),
      ApiProperty(apiPropertyOf(field)),
    ];
    if (shape.nested) rules.push(ValidateNested());
    if (options.optional === true || options.nullable === true) {
      rules.push(ValidateIf((_, value) => !mayStand(options, value)));
    }
    for (const rule of rules) rule(target, key);
  };
}

/** Absent where that is allowed, or null where that is. */
function mayStand(options: FieldOptions, value: unknown): boolean {
  return (options.optional === true && value === undefined) || (options.nullable === true && value === null);
}

/** Everything wrong with a value itself; what is wrong inside of nested objects, class-validator finds. */
export function faultsOf(field: Field, value: unknown): InputError[] {
  if (mayStand(field.options, value)) return [];
  if (value === undefined) return [{ path: '', message: 'is required' }];
  if (!field.list) {
    const message = itemFault(field, value);
    return message === undefined ? [] : [{ path: '', message }];
  }
  if (!Array.isArray(value)) return [{ path: '', message: 'must be a list' }];
  const { min, max } = field.list;
  if (value.length < min || value.length > max) {
    return [{ path: '', message: `must have from ${min} to ${max} items` }];
  }
  return value.flatMap((item, index) => {
    const message = itemFault(field, item);
    return message === undefined ? [] : [{ path: `[${index}]`, message }];
  });
}

function itemFault({ kind, nested }: Field, value: unknown): string | undefined {
  if (kind) return kind.fault(value);
  return nested && value instanceof nested() ? undefined : 'must be an object';
}

// ---- kinds ------------------------------------------------------------------------------------------------

export interface TextLimits {
  /** Fewest characters (Unicode code points), 1 where unsaid. */
  min?: number;
  /** Most characters, 1000 where unsaid. */
  max?: number;
}

export const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** RFC 3339 section 5.6; whether the day exists, Date tells. */
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

function textKind({ min = 1, max = 1000 }: TextLimits, extra: JsonSchema = {}): Kind {
  return {
    schema: { type: 'string', minLength: min, maxLength: max, ...extra },
    fault: (value) => {
      if (typeof value !== 'string') return 'must be text';
      if (value.includes('\0') || !value.isWellFormed()) return 'must not hold NUL or half a surrogate pair';
      // A code point is one or two UTF-16 units, so most texts need no counting.
      const long = value.length > max && (value.length > 2 * max || [...value].length > max);
      const short = value.length < 2 * min && [...value].length < min;
      return long || short ? `must have from ${min} to ${max} characters` : undefined;
    },
  };
}

function patternKind(schema: JsonSchema, message: string, holds: (value: string) => boolean): Kind {
  return {
    schema: { type: 'string', ...schema },
    fault: (value) => (typeof value === 'string' && holds(value) ? undefined : message),
  };
}

const emailKind = patternKind(
  { format: 'email', maxLength: 254 },
  'must be an e-mail address',
  (value) => value.length <= 254 && isEmail(value),
);
const slugKind = patternKind(
  { pattern: SLUG.source, minLength: 1, maxLength: 63 },
  'must have 1 to 63 small letters, digits and inner hyphens',
  (value) => SLUG.test(value),
);
const idKind = patternKind({ format: 'uuid' }, 'must be a UUID', isId);
const timeKind = patternKind(
  { format: 'date-time' },
  'must be a time as of RFC 3339',
  (value) => TIME.test(value) && !Number.isNaN(Date.parse(value)),
);
const cursorKind = patternKind(
  { minLength: 1, maxLength: 200 },
  'must be a cursor this API has given out',
  (value) => value.length <= 200 && readCursor(value) !== undefined,
);

function wholeKind({ min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number }): Kind {
  return {
    schema: { type: 'integer', minimum: min, maximum: max },
    fault: (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
        ? undefined
        : `must be a whole number from ${min} to ${max}`,
    fromText: (text) => (/^-?\d{1,16}$/.test(text) ? Number(text) : text),
  };
}

const flagKind: Kind = {
  schema: { type: 'boolean' },
  fault: (value) => (typeof value === 'boolean' ? undefined : 'must be true or false'),
  fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
};

function choiceKind(choices: readonly string[]): Kind {
  return {
    schema: { type: 'string', enum: [...choices] },
    fault: (value) =>
      typeof value === 'string' && choices.includes(value)
        ? undefined
        : `must be one of ${choices.join(', ')}`,
  };
}

function anythingKind(maxBytes: number): Kind {
  return {
    schema: { type: 'object', additionalProperties: true },
    fault: (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'must be an object';
      const size = Buffer.byteLength(JSON.stringify(value));
      return size > maxBytes ? `must have at most ${maxBytes} bytes as JSON` : undefined;
    },
  };
}

// ---- decorators -------------------------------------------------------------------------------------------

function scalar(kind: Kind, options: FieldOptions): PropertyDecorator {
  return declare({ kind, nested: undefined, list: undefined }, options);
}

/** Text as it was sent: nothing is trimmed, NUL is refused. */
export function Text(options: TextLimits & FieldOptions = {}): PropertyDecorator {
  return scalar(textKind(options), options);
}

export function Email(options: FieldOptions = {}): PropertyDecorator {
  return scalar(emailKind, options);
}

/** A name fit for URLs: 1 to 63 of `a-z 0-9 -`, no hyphen at the ends. */
export function Slug(options: FieldOptions = {}): PropertyDecorator {
  return scalar(slugKind, options);
}

/** A UUID in lower case. */
export function Id(options: FieldOptions = {}): PropertyDecorator {
  return scalar(idKind, options);
}

/** A moment, RFC 3339. An answer may hold a Date: it leaves as UTC. */
export function Time(options: FieldOptions = {}): PropertyDecorator {
  return scalar(timeKind, options);
}

/** A whole number; from 0 where `min` is unsaid. */
export function Whole(options: { min?: number; max?: number } & FieldOptions = {}): PropertyDecorator {
  return scalar(wholeKind(options), options);
}

export function Flag(options: FieldOptions = {}): PropertyDecorator {
  return scalar(flagKind, options);
}

export function Choice(choices: readonly string[], options: FieldOptions = {}): PropertyDecorator {
  return scalar(choiceKind(choices), options);
}

/** A password or the like. Never an answer's field, save where the answer hands out a secret once. */
export function Secret(options: TextLimits & FieldOptions = {}): PropertyDecorator {
  return scalar(textKind({ max: 1024, ...options }, { format: 'password' }), options);
}

/** The opaque cursor of a list. */
export function Cursor(options: FieldOptions = {}): PropertyDecorator {
  return scalar(cursorKind, options);
}

/** An open JSON object of at most `maxBytes` bytes (16 KiB where unsaid). In an answer it leaves whole. */
export function Anything(options: { maxBytes?: number } & FieldOptions = {}): PropertyDecorator {
  return scalar(anythingKind(options.maxBytes ?? 16 * 1024), options);
}

/** An object of another class. */
export function Nested(type: () => ViewClass, options: FieldOptions = {}): PropertyDecorator {
  return declare({ kind: undefined, nested: type, list: undefined }, options);
}

const ITEM_KINDS = { email: emailKind, slug: slugKind, id: idKind, time: timeKind, flag: flagKind };

/**
 * A list: of objects (`() => View`), of choices (`['a', 'b']`), or of scalars by name. `itemMax` bounds the
 * characters of each text, or the value of each whole number.
 */
export function ListOf(
  of: (() => ViewClass) | readonly string[] | keyof typeof ITEM_KINDS | 'text' | 'whole',
  options: { min?: number; max?: number; itemMax?: number } & FieldOptions = {},
): PropertyDecorator {
  const list = { min: options.min ?? 0, max: options.max ?? 100 };
  if (typeof of === 'function') return declare({ kind: undefined, nested: of, list }, options);
  return declare({ kind: itemKind(of, options.itemMax), nested: undefined, list }, options);
}

function itemKind(of: readonly string[] | keyof typeof ITEM_KINDS | 'text' | 'whole', max?: number): Kind {
  if (of === 'text') return textKind(max === undefined ? {} : { max });
  if (of === 'whole') return wholeKind(max === undefined ? {} : { max });
  return typeof of === 'string' ? ITEM_KINDS[of] : choiceKind(of);
}

// ---- schemas ----------------------------------------------------------------------------------------------

/**
 * The JSON schema of a class, nested ones written out: what Fastify compiles the serializer from. Undeclared
 * properties are no part of it and so never leave the process. Throws for a class without fields.
 */
export function schemaOf(type: ViewClass): JsonSchema {
  return objectSchema(type, (nested) => schemaOf(nested));
}

/** The same with nested classes as references: what the OpenAPI document holds under `components.schemas`. */
export function componentOf(type: ViewClass): JsonSchema {
  return objectSchema(type, (nested) => ({ $ref: `#/components/schemas/${nested.name}` }));
}

function objectSchema(type: ViewClass, nested: (type: ViewClass) => JsonSchema): JsonSchema {
  const fields = [...fieldsOf(type).values()];
  if (fields.length === 0) throw new Error(`${type.name} declares no field`);
  const required = fields.filter(({ options }) => options.optional !== true).map(({ name }) => name);
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(fields.map((field) => [field.name, fieldSchema(field, nested)])),
    ...(required.length > 0 && { required }),
  };
}

/** The schema of one field; `nested` says how a class within it is written. */
export function fieldSchema(field: Field, nested: (type: ViewClass) => JsonSchema): JsonSchema {
  const { kind, list, options } = field;
  const item = kind ? kind.schema : nested(nestedOf(field));
  const schema = list ? { type: 'array', items: item, minItems: list.min, maxItems: list.max } : { ...item };
  return { ...orNull(schema, options.nullable === true), ...words(options) };
}

function nestedOf({ name, nested }: Field): ViewClass {
  if (!nested) throw new Error(`the field ${name} has neither a kind nor a class`);
  return nested();
}

function orNull(schema: JsonSchema, nullable: boolean): JsonSchema {
  if (!nullable) return schema;
  if (schema['$ref'] !== undefined) return { anyOf: [schema, { type: 'null' }] };
  const choices = schema['enum'] as unknown[] | undefined;
  return { ...schema, type: [schema['type'], 'null'], ...(choices && { enum: [...choices, null] }) };
}

function words({ description, example }: FieldOptions): JsonSchema {
  return {
    ...(description !== undefined && { description }),
    ...(example !== undefined && { examples: [example] }),
  };
}

function apiPropertyOf(field: Field): ApiPropertyOptions {
  const { kind, list, nested, options } = field;
  const schema: JsonSchema = kind ? { ...kind.schema } : { type: nested };
  const limits = list && { minItems: list.min, maxItems: list.max };
  return {
    ...(kind && list
      ? { type: 'array', items: schema, ...limits }
      : { ...schema, ...(list && { isArray: true, ...limits }) }),
    ...words(options),
    required: options.optional !== true,
    ...(options.nullable === true && { nullable: true }),
  };
}

// ---- the fields of every list -----------------------------------------------------------------------------

/** The query of every list. */
export class PageQuery {
  @Whole({ min: 1, max: 100, optional: true, description: 'How many items one page may have.', example: 50 })
  limit: number = 50;

  @Cursor({ optional: true, description: 'Continues where the page ended whose `next` this is.' })
  cursor?: string;
}

const pages = new WeakMap<ViewClass, ViewClass>();

/** The answer class of a list of `item`: `{ items, next? }`. One class per item class. */
export function pageViewOf<T extends object>(item: new () => T): new () => { items: T[]; next?: string } {
  let page = pages.get(item);
  if (!page) {
    page = { [`${item.name}Page`]: class {} }[`${item.name}Page`] as ViewClass;
    ListOf(() => item, { max: 10_000, description: 'The items of this page.' })(
      page.prototype as object,
      'items',
    );
    Text({ optional: true, description: 'The cursor of the next page; absent on the last.' })(
      page.prototype as object,
      'next',
    );
    pages.set(item, page);
  }
  return page as new () => { items: T[]; next?: string };
}
