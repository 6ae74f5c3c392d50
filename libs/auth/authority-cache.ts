import { Injectable, type OnModuleDestroy, type OnModuleInit, Optional } from '@nestjs/common';
import { InvalidationStream, ProvenCache } from '#database';
import type { Authority } from './authority.ts';

/** Authority that is proven fresh. It is what this process joins the replicas for. */
@Injectable()
export class AuthorityCache extends ProvenCache<Authority> implements OnModuleInit, OnModuleDestroy {
  constructor(stream: InvalidationStream, @Optional() size?: number) {
    super(stream, size);
  }

  onModuleInit(): void {
    this.stream.listen(this);
    this.stream.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.stream.stop();
  }
}
