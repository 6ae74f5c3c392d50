import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** A check of schemathesis that a request failed. */
export interface Finding {
  /** ST202 and the like; `st explain` tells what each is. */
  readonly check: string;
  /** Method and path of the document, or of the request where no operation has such a method. */
  readonly operation: string;
  readonly message: string;
  readonly status: number;
  /** The code of the problem that was answered; empty where it was none. */
  readonly code: string;
  readonly errors: readonly { readonly path: string; readonly message: string }[];
}

export interface Result {
  readonly requests: number;
  readonly findings: readonly Finding[];
  /** What went wrong with schemathesis itself. */
  readonly errors: readonly string[];
  /** By operation, how many requests got past every refusal. */
  readonly done: ReadonlyMap<string, number>;
  readonly stopped: string;
}

interface Recorder {
  readonly label: string;
  readonly cases: Record<string, { value: { method: string; path: string } }>;
  readonly checks?: Record<
    string,
    { status: string; failure_info?: { failure: { code: string; message: string; title: string } } }[]
  >;
  readonly interactions?: Record<
    string,
    { response?: { status_code: number; content?: { $base64?: string } | null } }
  >;
}

/** Reads the report of one run (NDJSON: an event a line). */
export async function readReport(file: string): Promise<Result> {
  const findings: Finding[] = [];
  const errors: string[] = [];
  const done = new Map<string, number>();
  let requests = 0;
  let stopped = 'it did not end';
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const event = JSON.parse(line) as Record<string, Record<string, unknown>>;
    const recorder = event['ScenarioFinished']?.['recorder'] as Recorder | undefined;
    if (recorder) requests += readScenario(recorder, findings, done);
    for (const kind of ['NonFatalError', 'FatalError']) {
      const value = event[kind]?.['value'] ?? event[kind];
      if (value !== undefined) errors.push(JSON.stringify(value).slice(0, 400));
    }
    if (event['EngineFinished']) stopped = String(event['EngineFinished']['stop_reason']);
  }
  return { requests, findings, errors, done, stopped };
}

function readScenario(recorder: Recorder, findings: Finding[], done: Map<string, number>): number {
  const { cases, checks = {}, interactions = {} } = recorder;
  for (const [id, { response }] of Object.entries(interactions)) {
    const operation = operationOf(recorder, id);
    const status = response?.status_code ?? 0;
    const passed = status >= 200 && status < 300 ? 1 : 0;
    // A method that the path does not know is no operation.
    if (cases[id] && status !== 405) done.set(operation, (done.get(operation) ?? 0) + passed);
  }
  for (const [id, list] of Object.entries(checks)) {
    for (const { failure_info } of list) {
      if (!failure_info) continue;
      const { code: check, title, message } = failure_info.failure;
      const response = interactions[id]?.response;
      const text = Buffer.from(response?.content?.$base64 ?? '', 'base64').toString();
      findings.push({
        check,
        operation: operationOf(recorder, id),
        message: `${title}: ${message}`.slice(0, 400),
        status: response?.status_code ?? 0,
        ...problemIn(text),
      });
    }
  }
  return Object.keys(interactions).length;
}

function operationOf({ cases, label }: Recorder, id: string): string {
  const value = cases[id]?.value;
  return value ? `${value.method} ${value.path}` : label;
}

function problemIn(text: string): Pick<Finding, 'code' | 'errors'> {
  try {
    const { code = '', errors = [] } = JSON.parse(text) as Partial<Finding>;
    return { code: typeof code === 'string' ? code : '', errors: Array.isArray(errors) ? errors : [] };
  } catch {
    return { code: '', errors: [] };
  }
}
