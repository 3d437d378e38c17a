/** Of AdmissionReview and of ConversionReview: those of one kind look alike. */
export const REVIEW_VERSIONS: readonly string[] = ['v1', 'v1beta1'];
