-- A row of an import that could not be read is kept as it was made out, to be shown: it is never tried again.
ALTER TABLE catalogue_import_rows ADD COLUMN readable boolean NOT NULL DEFAULT true;
