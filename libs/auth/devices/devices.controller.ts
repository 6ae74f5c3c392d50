import { Controller, Delete, Get, Param, Query, Req } from '@nestjs/common';
import { type AccessRequest, callerOf, SignedIn } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { AuthFault } from '../auth.faults.ts';
import { DevicePage } from './device.contract.ts';
import { Devices } from './devices.ts';

@Controller('api/v1/auth/devices')
export class DevicesController {
  constructor(private readonly devices: Devices) {}

  @Get()
  @SignedIn('everyone may see the devices they are known on')
  @Answers(DevicePage, {
    faults: [AuthFault.sessions_only],
    description: 'The devices you have signed in from, newest first.',
  })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<DevicePage> {
    return this.devices.list(callerOf(request), query);
  }

  @Delete(':deviceId')
  @SignedIn('everyone may forget a device of their own')
  @Answers(undefined, {
    faults: [AuthFault.device_not_found, AuthFault.sessions_only],
    description: 'Forget a device: its next sign-in is one from a device that is not known.',
  })
  forget(@Req() request: AccessRequest, @Param('deviceId', IdPipe) deviceId: string): Promise<void> {
    return this.devices.forget(callerOf(request), deviceId);
  }
}
