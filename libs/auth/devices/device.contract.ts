import { Flag, Id, pageViewOf, Text, Time } from '#http';

export class DeviceView {
  @Id()
  id: string;

  @Text({ optional: true, description: 'What the browser or program called itself when it was first seen.' })
  userAgent?: string;

  @Time()
  firstSeenAt: string;

  @Time({ description: 'May lag behind by an hour.' })
  lastSeenAt: string;

  @Time({ description: 'When it is forgotten unless it is used before.' })
  expiresAt: string;

  @Flag({ description: 'The session that asks was opened from it.' })
  current: boolean;
}

export class DevicePage extends pageViewOf(DeviceView) {}
