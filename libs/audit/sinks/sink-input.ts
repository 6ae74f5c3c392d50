import { Fault, type InputError } from '#kernel';
import { readInput } from '#http';
import { auditActions } from '../catalogue/actions.ts';
import { AuditFault } from '../audit.faults.ts';
import { secretFields, settingsClasses, type SettingsOf, type SinkKind } from './sink.settings.ts';
import type { SinkFilter } from './sink-events.ts';

/** `secret://<path>#<field>[@version]`; the room that owns secrets reads it in full when it is used. */
const REFERENCE =
  /^secret:\/\/[A-Za-z0-9_-][A-Za-z0-9._/-]{0,254}#[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(@[1-9]\d{0,8})?$/;
const HOST =
  /^(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$/;
const ADDRESS = /^\[?[0-9A-Fa-f:.]+\]?$/;

/** The settings of a kind, or `audit.bad_sink` with every fault in them. Nothing in it can be a secret. */
export function readSettings(kind: SinkKind, given: object): SettingsOf[SinkKind] {
  const settings = readAs(kind, given);
  const errors: InputError[] = [];
  const wrong = (field: string, message: string): void => {
    errors.push({ path: `settings.${field}`, message });
  };
  const fields = settings as unknown as Readonly<Record<string, unknown>>;
  for (const field of secretFields) {
    const value = fields[field];
    if (typeof value === 'string' && !REFERENCE.test(value)) {
      wrong(field, 'must be a reference (secret://<path>#<field>), never the secret itself');
    }
  }
  for (const field of ['ca', 'clientCertificate']) {
    const value = fields[field];
    if (typeof value !== 'string') continue;
    if (/PRIVATE KEY/.test(value)) wrong(field, 'must not hold a key: that is a secret');
    else if (!/-----BEGIN CERTIFICATE-----/.test(value)) wrong(field, 'must be certificates as PEM');
  }
  if ((fields['clientCertificate'] === undefined) !== (fields['clientKey'] === undefined)) {
    wrong('clientKey', 'goes together with clientCertificate');
  }
  if (typeof fields['url'] === 'string') checkUrl(fields['url'], wrong);
  if (typeof fields['host'] === 'string' && !HOST.test(fields['host']) && !ADDRESS.test(fields['host'])) {
    wrong('host', 'must be a name or an address');
  }
  if (errors.length > 0) throw AuditFault.bad_sink({ errors });
  // Without the fields that were not given: they would stand as undefined.
  return JSON.parse(JSON.stringify(settings)) as SettingsOf[SinkKind];
}

function readAs(kind: SinkKind, given: object): SettingsOf[SinkKind] {
  try {
    return readInput(settingsClasses[kind] as new () => SettingsOf[SinkKind], given);
  } catch (error) {
    if (!(error instanceof Fault) || !error.errors) throw error;
    const errors = error.errors.map(({ path, message }) => ({ path: `settings.${path}`, message }));
    throw AuditFault.bad_sink({ errors });
  }
}

function checkUrl(text: string, wrong: (field: string, message: string) => void): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) wrong('url', 'must be a URL that begins with https://');
  else if (url.username !== '' || url.password !== '') wrong('url', 'must not hold a user or a password');
  else if (url.hash !== '') wrong('url', 'must not have a fragment');
}

const kinds = new Set(Object.keys(auditActions).map((action) => `${action.split('.')[0]}.*`));

export function readFilter(given: SinkFilter | undefined): SinkFilter {
  const errors = (given?.actions ?? []).flatMap((action, index) =>
    Object.hasOwn(auditActions, action) || kinds.has(action)
      ? []
      : [{ path: `filter.actions[${index}]`, message: 'is no action, nor a kind of actions such as auth.*' }],
  );
  if (errors.length > 0) throw AuditFault.bad_sink({ errors });
  return JSON.parse(JSON.stringify(given ?? {})) as SinkFilter;
}
