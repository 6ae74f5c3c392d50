import { randomBytes } from 'node:crypto';
import { Body, Controller, Delete, Get, Injectable, Module, Param, Patch, Post, Query } from '@nestjs/common';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Access, Public, SealError, SignedIn } from '#access';
import { Answers, AppLogger, createHttpApp, IdPipe, Text } from '#http';
import { HandlesJob, JobQueue } from '#jobs';
import { MasterKey } from '#secrets';
import { AppModule } from '../../apps/api/app.module.ts';
import { cloneDatabase, type TestDatabase } from '../kit/database.ts';

class View {
  @Text() said: string;
}
class NoSchema {
  name: string;
}

/** Each route is wrong in a way of its own. */
@Controller('boxes')
class BadController {
  @Get('forgotten')
  @Answers(View)
  forgotten(): void {}

  @Get('open')
  @Public('')
  @Answers(View)
  open(): void {}

  @Post(':boxId')
  @SignedIn('a test')
  @Answers(View)
  make(@Body() _body: NoSchema): void {}

  @Patch(':boxId')
  @Access({ permission: 'org:read', org: 'orgId' })
  @Answers(View)
  change(@Param('boxId', IdPipe) _id: string, @Query('force') _force: string): void {}

  @Delete(':boxId')
  @SignedIn('a test')
  remove(@Param('boxId', IdPipe) _id: string): void {}
}

const queue = new JobQueue<{ box: string }>('boxes', {
  retries: 1,
  firstDelay: 1,
  longestDelay: 1,
  within: 60,
  concurrency: 1,
});

/** Would run for whoever can add a row. */
@Injectable()
class BadHandler {
  @HandlesJob(queue)
  async forgotten(): Promise<void> {}
}

let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.drop());

/** Starts the product with these controllers beside its own. Answers what kept it from listening. */
async function start(
  controllers: (new () => object)[],
  providers: (new () => object)[] = [],
): Promise<unknown> {
  const product = AppModule.with({
    database: { urls: database.urls, poolSize: 1 },
    masterKey: new MasterKey(randomBytes(32)),
    publicUrl: 'https://portcullis.example',
    issuer: undefined,
  });
  @Module({ imports: [product], controllers, providers })
  class Sample {}
  const app = await createHttpApp(Sample, { logger: new AppLogger({ write: () => undefined }) });
  const server = app.getHttpServer() as { listening: boolean };
  try {
    await app.listen(0, '127.0.0.1');
    expect(server.listening).toBe(true);
    return undefined;
  } catch (error) {
    expect(server.listening).toBe(false);
    return error;
  } finally {
    await app.close();
  }
}

it('the product starts', async () => {
  expect(await start([])).toBeUndefined();
});

it('the product does not listen with a route that is declared wrong, and names every offender at once', async () => {
  const error = await start([BadController]);
  expect(error).toBeInstanceOf(SealError);
  const { offenders, message } = error as SealError;
  expect(offenders).toEqual([
    'DELETE /boxes/:boxId (BadController.remove) does not declare what it answers: @Answers',
    'PATCH /boxes/:boxId (BadController.change) takes its organization from the path parameter orgId, which does not exist',
    'PATCH /boxes/:boxId (BadController.change) takes query force without a schema',
    'POST /boxes/:boxId (BadController.make) does not read its path parameter boxId',
    'POST /boxes/:boxId (BadController.make) takes body without a schema',
    'GET /boxes/forgotten (BadController.forgotten) has no access word: @Access, @SignedIn, @Signed or @Public',
    'GET /boxes/open (BadController.open) says @public without a reason',
  ]);
  for (const offender of offenders) expect(message).toContain(offender);
});

it('nor with a job handler that does not say why it may run', async () => {
  const error = await start([], [BadHandler]);
  expect(error).toBeInstanceOf(SealError);
  expect((error as SealError).offenders).toEqual([
    'job boxes (BadHandler.forgotten) has no access word: @Unattended',
  ]);
});

it.each(['production', 'development', 'test', ''])('NODE_ENV=%s opens nothing', async (value) => {
  vi.stubEnv('NODE_ENV', value);
  try {
    expect(await start([BadController])).toBeInstanceOf(SealError);
  } finally {
    vi.unstubAllEnvs();
  }
});
