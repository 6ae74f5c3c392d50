import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Clock, SystemClock } from '#kernel';
import { expect, test } from 'vitest';
import { cloneDatabase, run } from './database.ts';

@Injectable()
class Engine {
  readonly name = 'engine';
}

@Injectable()
class Car {
  constructor(
    readonly engine: Engine,
    readonly clock: Clock,
    @Inject('colour') readonly colour: string,
  ) {}
}

@Module({
  providers: [Car, Engine, { provide: Clock, useClass: SystemClock }, { provide: 'colour', useValue: 'red' }],
})
class Garage {}

test('Nest injects constructor parameters by their types', async () => {
  const app = await NestFactory.createApplicationContext(Garage, { logger: false });
  const car = app.get(Car);
  expect(car.engine).toBeInstanceOf(Engine);
  expect(car.clock).toBeInstanceOf(SystemClock);
  await app.close();
});

test('a room is its source, and one module whoever imports it', async () => {
  const byPath = await import('../../libs/kernel/index.ts');
  expect(byPath.SystemClock).toBe(SystemClock);
});

test('a clone has the three roles and is gone after drop', async () => {
  const database = await cloneDatabase();
  expect(await run(database.urls.app, 'select current_user as who, current_schema() as schema')).toEqual([
    { who: 'portcullis_app', schema: 'portcullis' },
  ]);
  await database.drop();
  await expect(run(database.adminUrl, 'select 1')).rejects.toMatchObject({ code: '3D000' });
});
