import { Injectable } from '@nestjs/common';
import { type OwnSurface, OwnSurfaces } from '#projection';

@Injectable()
export class SelfPosture extends OwnSurfaces {
  async of(): Promise<readonly OwnSurface[]> {
    return [];
  }

  async all(): Promise<readonly OwnSurface[]> {
    return [];
  }
}
