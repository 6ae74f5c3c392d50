import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { type JobRule, jobRuleOf } from './access-rule.ts';

/** The queue whose jobs a method works off. Set by `@HandlesJob`. */
export const HANDLES_JOB = 'portcullis:job';

/** One job handler as declared by its decorators. */
export interface JobHandler {
  /** What `@HandlesJob` was given; its name is the queue's. */
  readonly queue: { readonly name: string };
  /** The class and the method. */
  readonly provider: string;
  readonly handlerName: string;
  readonly rule: JobRule | undefined;
  readonly run: (...args: unknown[]) => Promise<void>;
}

/** Reads every job handler of the application from its decorators: the seal and the workers use it. */
@Injectable()
export class JobCatalogue {
  private list: JobHandler[] | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  get handlers(): readonly JobHandler[] {
    this.list ??= this.read();
    return this.list;
  }

  private read(): JobHandler[] {
    // One object may be provided under several names.
    const providers = new Set(this.discovery.getProviders().map(({ instance }) => instance as unknown));
    return [...providers].flatMap((provider) => handlersOf(provider, this.scanner));
  }
}

function handlersOf(provider: unknown, scanner: MetadataScanner): JobHandler[] {
  if (typeof provider !== 'object' || provider === null) return [];
  const prototype = Object.getPrototypeOf(provider) as Record<string, JobHandler['run']> | null;
  if (prototype === null) return [];
  return scanner.getAllMethodNames(prototype).flatMap((handlerName) => {
    const method = prototype[handlerName];
    const queue = method && (Reflect.getMetadata(HANDLES_JOB, method) as JobHandler['queue'] | undefined);
    if (queue === undefined || method === undefined) return [];
    return [
      {
        queue,
        provider: provider.constructor.name,
        handlerName,
        rule: jobRuleOf(method),
        run: (...args) => method.apply(provider, args),
      },
    ];
  });
}
