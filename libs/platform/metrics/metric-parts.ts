import { Injectable } from '@nestjs/common';
import { OutcomeCounts, SinkDeliveries } from '#audit';
import { Passwords } from '#auth';
import { Database, InvalidationStream } from '#database';
import { DestinationLags } from '#events';
import { RequestTimes } from '#http';
import { QueueDepths } from '#jobs';
import type { Caller } from '#kernel';
import { readOnlyCodes, SystemState } from '../state/system-state.ts';
import { counters, type Family, gauge, gauges, histograms } from './family.ts';

/** What one room tells. */
export interface MetricPart {
  readonly name: string;
  /** Rejects where `caller` may not read it, or it cannot be read. */
  readonly read: (caller: Caller) => Family[] | Promise<Family[]>;
}

/** Every metric of ours. Labels are ids, route patterns and names of closed sets: never what a client chose. */
@Injectable()
export class MetricParts {
  constructor(
    private readonly times: RequestTimes,
    private readonly outcomes: OutcomeCounts,
    private readonly passwords: Passwords,
    private readonly database: Database,
    private readonly stream: InvalidationStream,
    private readonly state: SystemState,
    private readonly sinks: SinkDeliveries,
    private readonly destinations: DestinationLags,
    private readonly queues: QueueDepths,
  ) {}

  readonly all: readonly MetricPart[] = [
    { name: 'http', read: () => this.#http() },
    { name: 'access', read: () => this.#access() },
    { name: 'database', read: () => this.#database() },
    { name: 'system', read: () => this.#system() },
    { name: 'sinks', read: (caller) => this.#sinks(caller) },
    { name: 'events', read: (caller) => this.#events(caller) },
    { name: 'jobs', read: (caller) => this.#jobs(caller) },
  ];

  #http(): Family[] {
    const routes = this.times.read();
    return [
      counters('http_requests_total', 'Requests answered.', routes, ({ count, ...route }) => [
        labelsOf(route),
        count,
      ]),
      histograms(
        'http_request_duration_seconds',
        'Until the answer was handed over; of a stream until its beginning.',
        routes,
        this.times.bounds,
        ({ within, count, seconds, ...route }) => ({ labels: labelsOf(route), within, count, sum: seconds }),
      ),
    ];
  }

  #access(): Family[] {
    return [
      counters('sign_ins_total', 'Sign-ins by how they ended.', this.outcomes.signIns, ([outcome, count]) => [
        { outcome },
        count,
      ]),
      counters(
        'denials_total',
        'Refusals by the code of the fault.',
        this.outcomes.denials,
        ([code, count]) => [{ code }, count],
      ),
      gauge('password_hashes_waiting', 'Passwords that wait for a thread.', this.passwords.waiting),
    ];
  }

  #database(): Family[] {
    const pools = this.database.connections;
    return [
      gauges('database_pool_size', 'The most connections a role may have.', pools, ({ role, size }) => [
        { role },
        size,
      ]),
      gauges('database_connections_in_use', 'Connections at work.', pools, ({ role, inUse }) => [
        { role },
        inUse,
      ]),
      gauges('database_connections_idle', 'Connections open and free.', pools, ({ role, idle }) => [
        { role },
        idle,
      ]),
      gauges('database_requests_waiting', 'Who waits for a connection.', pools, ({ role, waiting }) => [
        { role },
        waiting,
      ]),
      gauge(
        'invalidation_lease_age_seconds',
        'Since this process last proved that it knows every revocation; +Inf where it never did.',
        this.stream.ageSeconds,
      ),
      gauge(
        'invalidation_lease_fresh',
        '0 while every request asks the database, for the lease has run out.',
        this.stream.isFresh ? 1 : 0,
      ),
    ];
  }

  async #system(): Promise<Family[]> {
    const setUp = await this.state.isSetUp();
    const reasons = await this.state.readOnlyReasons();
    const now = setUp ? (reasons.length > 0 ? 'read-only' : 'operational') : 'setup-needed';
    return [
      gauges(
        'system_state',
        '1 for the state that the system is in.',
        ['setup-needed', 'operational', 'read-only'],
        (state) => [{ state }, state === now ? 1 : 0],
      ),
      gauges('read_only_reason', '1 for each reason why no change is taken.', readOnlyCodes, (code) => [
        { code },
        reasons.some((reason) => reason.code === code) ? 1 : 0,
      ]),
    ];
  }

  async #sinks(caller: Caller): Promise<Family[]> {
    const sinks = await this.sinks.read(caller);
    const of = ({ id, orgId }: (typeof sinks)[number]) => ({ sink: id, organization: orgId });
    const certainties = [
      ['written', ({ writtenPos }) => writtenPos],
      ['accepted', ({ acceptedPos }) => acceptedPos],
      ['indexed', ({ indexedPos }) => indexedPos],
    ] as const satisfies [string, (delivery: (typeof sinks)[number]['delivery']) => number | undefined][];
    return [
      gauges(
        'audit_sink_position',
        'How far a sink is, by how sure that is; of all logs it takes together.',
        sinks.flatMap((sink) => certainties.map(([certainty, read]) => ({ sink, certainty, read }))),
        ({ sink, certainty, read }) => [{ ...of(sink), certainty }, read(sink.delivery)],
      ),
      gauges('audit_sink_head_position', 'How far the logs of a sink are.', sinks, (sink) => [
        of(sink),
        sink.delivery.headPos,
      ]),
      gauges('audit_sink_lag_events', 'What a sink has not got yet.', sinks, (sink) => [
        of(sink),
        sink.delivery.lag,
      ]),
      gauges('audit_sink_dead_letters', 'What a sink refused for good.', sinks, (sink) => [
        of(sink),
        sink.delivery.deadLetters,
      ]),
    ];
  }

  async #events(caller: Caller): Promise<Family[]> {
    const destinations = await this.destinations.read(caller);
    return [
      gauges('event_destination_lag_events', 'What a destination has not got yet.', destinations, (one) => [
        { destination: one.destination },
        one.lag,
      ]),
      gauges(
        'event_destination_dead_letters',
        'What a destination refused for good.',
        destinations,
        (one) => [{ destination: one.destination }, one.deadLetters],
      ),
    ];
  }

  async #jobs(caller: Caller): Promise<Family[]> {
    const queues = await this.queues.read(caller);
    return [
      gauges('jobs_waiting', 'Jobs that nobody works on yet.', queues, ({ queue, waiting }) => [
        { queue },
        waiting,
      ]),
      gauges('jobs_active', 'Jobs at work.', queues, ({ queue, active }) => [{ queue }, active]),
      gauges(
        'jobs_failed',
        'Jobs that failed for good and wait for somebody.',
        queues,
        ({ queue, failed }) => [{ queue }, failed],
      ),
    ];
  }
}

function labelsOf({ method, route, status }: { method: string; route: string; status: string }): {
  method: string;
  route: string;
  status: string;
} {
  return { method, route, status };
}
