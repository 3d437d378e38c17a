// A comment may say setTimeout, a string may say 'Math.random', and new Date(0) is pure.
export const note = 'Date.now()';
export const fixed = new Date(0);
export const planted = (): number => Date.now() + Math.random();
setTimeout(() => {}, 1);
