export { insertMember } from './member.store.ts';
export { OrgConfig } from './org.config.ts';
export { OrgFault } from './org.faults.ts';
export { Orgs } from './orgs.ts';
export { OrgsModule } from './orgs.module.ts';
