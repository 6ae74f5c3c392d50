import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { type ValidationError, validateSync } from 'class-validator';
import { type InputError, isId } from '#kernel';
import type { Route } from '#access';
import { faultsOf, type Field, fieldsOf, type JsonSchema, SLUG, type ViewClass } from './fields.ts';
import { HttpFault } from './http.faults.ts';

/** More errors than this help nobody, and an answer must not grow with an attack. */
const MAX_ERRORS = 100;

/**
 * The one pipe before every handler: makes an object of the declared class out of a body or a query, or throws
 * `http.invalid_input` with every fault in it. Only a query is coerced (`limit=10`), for it is text by nature.
 */
@Injectable()
export class InputPipe implements PipeTransform {
  transform(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
    if (type !== 'body' && type !== 'query') return value;
    if (metatype === undefined || fieldsOf(metatype).size === 0) {
      // The boot seal leaves no such route; were there one, unchecked input must not pass.
      throw HttpFault.internal({ detail: `the ${type} of this route has no class with fields` });
    }
    return readInput(metatype as ViewClass, value, type === 'query');
  }
}

/** Reads `value` as a `type`. Throws `http.invalid_input` with all faults. `coerce` reads numbers from text. */
export function readInput<T extends object>(type: new () => T, value: unknown, coerce = false): T {
  const errors: InputError[] = [];
  const made = make(type, value, '', { coerce, errors });
  if (!(made instanceof type)) {
    const message = value === undefined || value === null ? 'a JSON body is required' : 'must be an object';
    throw HttpFault.invalid_input({ errors: [{ path: '', message }] });
  }
  const found = validateSync(made, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
  });
  const broken = found.flatMap((error) => flatten(error, ''));
  if (found.length > 0 && broken.length === 0) broken.push({ path: '', message: 'is not valid' });
  errors.push(...broken);
  if (errors.length > 0) throw HttpFault.invalid_input({ errors: errors.slice(0, MAX_ERRORS) });
  return made;
}

interface Reading {
  readonly coerce: boolean;
  readonly errors: InputError[];
}

/** An instance of `type` with the declared fields of `value`; `value` itself where that is no object. */
function make(type: ViewClass, value: unknown, path: string, reading: Reading): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const fields = fieldsOf(type);
  const made = new type() as Record<string, unknown>;
  for (const [name, given] of Object.entries(value)) {
    const field = fields.get(name);
    const at = path === '' ? name : `${path}.${name}`;
    if (field) made[name] = makeField(field, given, at, reading);
    else reading.errors.push({ path: at.slice(0, 200), message: 'is not a field of this request' });
  }
  return made;
}

function makeField(field: Field, value: unknown, path: string, reading: Reading): unknown {
  const { kind, list, nested } = field;
  const given = reading.coerce && list && typeof value === 'string' ? [value] : value;
  if (list && Array.isArray(given)) {
    // Beyond the limit the list is refused as a whole; its items need no reading.
    if (given.length > list.max) return given;
    return given.map((item, index) => makeItem(item, `${path}[${index}]`));
  }
  return list ? given : makeItem(given, path);

  function makeItem(item: unknown, at: string): unknown {
    if (nested) return make(nested(), item, at, reading);
    return reading.coerce && typeof item === 'string' && kind?.fromText ? kind.fromText(item) : item;
  }
}

/** class-validator says where; the field says what. */
function flatten(error: ValidationError, path: string): InputError[] {
  const isIndex = Array.isArray(error.target);
  const at = isIndex
    ? `${path}[${error.property}]`
    : path === ''
      ? error.property
      : `${path}.${error.property}`;
  const field = error.target && !isIndex ? fieldsOf(error.target.constructor).get(error.property) : undefined;
  const own = field
    ? faultsOf(field, error.value).map((one) => ({ path: `${at}${one.path}`, message: one.message }))
    : [];
  const below = (error.children ?? []).flatMap((child) => flatten(child, at));
  // Within what is already wrong as a whole nothing more is said.
  return [...own, ...below.filter(({ path: inner }) => !own.some((one) => inner.startsWith(one.path)))];
}

/** A pipe for a path parameter; `schema` says in the OpenAPI document what it takes. */
interface ParameterPipe {
  readonly schema: JsonSchema;
}

/** What a path parameter of a route takes. What names the organization of the route is an id: the guard sees to it. */
export function parameterSchema({ inputs, rule }: Route, name: string): JsonSchema {
  if (rule?.word === 'access' && rule.org === name) return IdPipe.schema;
  const pipes = inputs.find((input) => input.from === 'param' && input.name === name)?.pipes ?? [];
  const declared = pipes.find(
    (pipe): pipe is ParameterPipe => typeof pipe === 'function' && 'schema' in pipe,
  );
  return declared?.schema ?? { type: 'string', minLength: 1, maxLength: 200 };
}

/** For a path parameter that is an id: `@Param('userId', IdPipe)`. Anything else is a 400. */
@Injectable()
export class IdPipe implements PipeTransform<unknown, string> {
  static readonly schema: JsonSchema = { type: 'string', format: 'uuid' };

  transform(value: unknown, { data }: ArgumentMetadata): string {
    if (isId(value)) return value;
    throw HttpFault.invalid_input({ errors: [{ path: data ?? '', message: 'must be a UUID' }] });
  }
}

/** For a path parameter that is a name as `@Slug` takes it. Anything else is a 400. */
@Injectable()
export class SlugPipe implements PipeTransform<unknown, string> {
  static readonly schema: JsonSchema = { type: 'string', pattern: SLUG.source, minLength: 1, maxLength: 63 };

  transform(value: unknown, { data }: ArgumentMetadata): string {
    if (typeof value === 'string' && SLUG.test(value)) return value;
    const message = 'must be lower-case letters, digits and hyphens, at most 63';
    throw HttpFault.invalid_input({ errors: [{ path: data ?? '', message }] });
  }
}

const SHA256 = /^[0-9a-f]{64}$/;

/** For a path parameter that is a SHA-256 in lower-case hexadecimal. Anything else is a 400. */
@Injectable()
export class Sha256Pipe implements PipeTransform<unknown, string> {
  static readonly schema: JsonSchema = { type: 'string', pattern: SHA256.source };

  transform(value: unknown, { data }: ArgumentMetadata): string {
    if (typeof value === 'string' && SHA256.test(value)) return value;
    const message = 'must be a SHA-256 in hexadecimal';
    throw HttpFault.invalid_input({ errors: [{ path: data ?? '', message }] });
  }
}
