/** What a request may look like beyond RFC 9112, by the operator's leave. All false is the safe choice. */
export interface HttpPolicy {
  /** Methods with lower case, or shorter than 3 or longer than 20 characters (`permit_unconventional_http_method`). */
  readonly permitUnconventionalMethod: boolean;
  /** Versions other than 1.0 and 1.1 (`permit_unconventional_http_version`); they are served as the nearest of the two. */
  readonly permitUnconventionalVersion: boolean;
  /** The method is turned to upper case (`casefold_http_method`). */
  readonly casefoldMethod: boolean;
  /** Header lines continued on lines with leading white space, which become one space (`permit_obsolete_folding`). */
  readonly permitObsoleteFolding: boolean;
  /** White space between a header name and its colon is ignored (`strip_header_spaces`). */
  readonly stripHeaderSpaces: boolean;
}

export const strictPolicy: HttpPolicy = {
  permitUnconventionalMethod: false,
  permitUnconventionalVersion: false,
  casefoldMethod: false,
  permitObsoleteFolding: false,
  stripHeaderSpaces: false,
};
