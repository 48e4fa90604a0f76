/** A container gave no answer, or none that is one: a fault of the model, not of its caller. */
export class ContainerFaultError extends Error {
  override readonly name = 'ContainerFaultError';
}

/** A container took longer than a request may wait, or is only being started. */
export class ContainerTimeoutError extends Error {
  override readonly name = 'ContainerTimeoutError';
}

/** As many requests as the model allows are being answered. */
export class ContainerBusyError extends Error {
  override readonly name = 'ContainerBusyError';
}
