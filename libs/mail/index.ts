export { Mail } from './mail.ts';
export { MailConfig } from './mail.config.ts';
export { mailConfig, mailSettings } from './mail.settings.ts';
export { MailModule } from './mail.module.ts';
