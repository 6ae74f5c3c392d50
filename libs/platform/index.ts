export { Housekeeping } from './housekeeping.ts';
export { PlatformModule } from './platform.module.ts';
export { Setup } from './setup.ts';
export { SystemState } from './system-state.ts';
