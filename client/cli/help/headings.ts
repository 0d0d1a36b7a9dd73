// Headings of help that more than one file uses.

export const requiredHeading = 'Required options:';
export const optionsHeading = 'Options:';
export const globalHeading = 'Global options:';
