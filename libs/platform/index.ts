export { Housekeeping } from './housekeeping.ts';
export { PlatformModule } from './platform.module.ts';
export { platformSettings } from './platform.settings.ts';
export { Setup } from './setup.ts';
export { SystemState } from './state/system-state.ts';
export { SystemWatch, WatchConfig } from './state/system-watch.ts';
