import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '#kernel';
import { Database, type DatabaseOptions, Settlement } from './database.ts';
import { InvalidationStream } from './invalidation-stream.ts';
import { LiveCallers } from './live-callers.ts';

/** The database of this process, for every room. `urls` come from prepareDatabase. */
@Module({})
export class DatabaseModule {
  static with(options: DatabaseOptions): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        {
          provide: InvalidationStream,
          useFactory: (clock: Clock) => new InvalidationStream(options.urls.system, clock),
          inject: [Clock],
        },
        LiveCallers,
        { provide: Settlement, useExisting: InvalidationStream },
        {
          provide: Database,
          useFactory: async (settlement: Settlement) => {
            const database = new Database(options, settlement);
            await database.connect();
            return database;
          },
          inject: [Settlement],
        },
      ],
      exports: [Database, InvalidationStream, LiveCallers],
    };
  }
}
