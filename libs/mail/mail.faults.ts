import { faults } from '#kernel';

export const MailFault = faults('mail', {
  bad_address: ['invalid', 'Mail cannot be sent to this address.'],
});
