import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import type { Page } from '#kernel';
import { ProjectionFault } from '../projection.faults.ts';
import { CreateSurfaceRequest, SurfacePage, SurfaceView, UpdateSurfaceRequest } from './surfaces.contract.ts';
import { Surfaces } from './surfaces.ts';

@Controller('api/v1/orgs/:orgId/surfaces')
export class SurfacesController {
  constructor(private readonly surfaces: Surfaces) {}

  @Get()
  @Access({ permission: 'surface:read', org: 'orgId' })
  @Answers(SurfacePage, { description: 'Surfaces and what is desired of them, newest first.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<Page<SurfaceView>> {
    return this.surfaces.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'surface:write', org: 'orgId' })
  @Answers(SurfaceView, {
    status: 201,
    faults: [ProjectionFault.surface_exists, ProjectionFault.too_many_surfaces],
    description: 'Make a surface. It is blocked until its owners have told their facts.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateSurfaceRequest): Promise<SurfaceView> {
    return this.surfaces.create(callerOf(request), body);
  }

  @Get(':surfaceId')
  @Access({ permission: 'surface:read', org: 'orgId' })
  @Answers(SurfaceView, { faults: [ProjectionFault.surface_not_found], description: 'A surface.' })
  describe(
    @Req() request: AccessRequest,
    @Param('surfaceId', IdPipe) surfaceId: string,
  ): Promise<SurfaceView> {
    return this.surfaces.describe(callerOf(request), surfaceId);
  }

  @Patch(':surfaceId')
  @Access({ permission: 'surface:write', org: 'orgId' })
  @Answers(SurfaceView, {
    faults: [ProjectionFault.surface_not_found],
    description: 'Change what is desired of a surface, or what is told of it.',
  })
  update(
    @Req() request: AccessRequest,
    @Param('surfaceId', IdPipe) surfaceId: string,
    @Body() body: UpdateSurfaceRequest,
  ): Promise<SurfaceView> {
    return this.surfaces.update(callerOf(request), surfaceId, body);
  }

  @Delete(':surfaceId')
  @Access({ permission: 'surface:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [ProjectionFault.surface_not_found],
    description: 'Delete a surface with its facts and its history; the audit log keeps their digests.',
  })
  remove(@Req() request: AccessRequest, @Param('surfaceId', IdPipe) surfaceId: string): Promise<void> {
    return this.surfaces.remove(callerOf(request), surfaceId);
  }
}
