/** Of the platform, as package.json has it; whoever asks a server which one it is, gets this. */
export const platformVersion = '0.1.0';
