/** How mail leaves. */
export class MailConfig {
  constructor(
    /** `smtp://` or `smtps://`, with user and password where the server asks for them. */
    readonly smtpUrl: string,
    readonly from: Sender,
    /** True where mail may go over the network in the clear. */
    readonly allowPlain = false,
  ) {}
}

export interface Sender {
  readonly name: string;
  readonly address: string;
}
