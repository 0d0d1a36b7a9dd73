// Headings of help that mean something to more than one file.

export const requiredHeading = 'Required options:';
export const optionsHeading = 'Options:';
export const globalHeading = 'Global options:';
