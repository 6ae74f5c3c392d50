/** What a server answers: a status and a body, as the API of Vault and OpenBao has them. */
export interface VaultAnswer {
  readonly status: number;
  readonly body?: Record<string, unknown> | undefined;
}

/** One request, understood. */
export interface VaultRequest {
  readonly method: 'GET' | 'LIST' | 'POST' | 'DELETE';
  /** Below the mount. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
}

const envelope = {
  request_id: '00000000-0000-0000-0000-000000000000',
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data: null,
  wrap_info: null,
  warnings: null,
  auth: null,
};

export const ok = (body: Record<string, unknown>): VaultAnswer => ({
  status: 200,
  body: { ...envelope, ...body },
});
export const data = (values: Record<string, unknown>, status = 200): VaultAnswer => ({
  status,
  body: { ...envelope, data: values },
});
export const nothing: VaultAnswer = { status: 204 };
export const error = (status: number, ...errors: string[]): VaultAnswer => ({ status, body: { errors } });
export const notFound = error(404);
export const unsupported = error(405, '1 error occurred:\n\t* unsupported operation\n\n');
