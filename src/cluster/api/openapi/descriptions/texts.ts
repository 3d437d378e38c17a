/** Of a message, by the names of its fields: the empty one is the message itself. */
export type Texts = Readonly<Record<string, string>>;
