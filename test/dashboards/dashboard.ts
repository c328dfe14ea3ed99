// Dashboard is the type of the dashboards in deploy/grafana. Grafana's own schema leaves the types
// of panel plugins and data sources open; this file adds them.
import type * as schema from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// Json is a type as written in JSON: with a string instead of a member of an enum.
type Json<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends number | boolean | null | undefined
      ? T
      : { [K in keyof T]: Json<T[K]> };

type Prometheus = { type: 'prometheus'; uid: '${datasource}' };

type Query = {
  datasource: Prometheus;
  editorMode: 'code';
  exemplar?: boolean;
  expr: string;
  refId: string;
} & ({ instant: true; range: false } | { instant: false; range: true }) &
  ({ format: 'table'; legendFormat?: never } | { format: 'time_series'; legendFormat: string });

type Transformation =
  | { id: 'merge'; options: {} }
  | {
      id: 'organize';
      options: {
        excludeByName: Record<string, boolean>;
        indexByName: Record<string, number>;
        renameByName: Record<string, string>;
      };
    };

type Link = { title: string; url: string };

// Property is a property of an override: one that all fields have, or, with the prefix custom.,
// one of the panel type.
type Property<Custom> =
  | { [K in keyof Defaults]-?: { id: K; value: Json<Defaults[K]> } }[keyof Defaults]
  | { [K in keyof Custom & string]-?: { id: `custom.${K}`; value: Json<Custom[K]> } }[keyof Custom & string];

type Defaults = Omit<schema.FieldConfig, 'custom' | 'links'> & { links?: Link[] };

// Panel is a panel that has a description and queries, and only properties that its plugin knows.
type Panel<Type extends string, Options, Custom> = Json<
  Omit<schema.Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations' | 'datasource'> & {
    type: Type;
    title: string;
    description: string;
    datasource: Prometheus;
    targets: Query[];
    transformations?: Transformation[];
    options: Partial<Options>; // plugins have defaults, and newer plugins have more options
  }
> & {
  fieldConfig: {
    defaults: Json<Defaults & { custom?: Partial<Custom> }>;
    overrides: Array<{
      matcher: { id: 'byName' | 'byRegexp'; options: string };
      properties: Array<Property<Custom>>;
    }>;
  };
};

type DashboardPanel =
  | Json<schema.RowPanel>
  | Panel<'bargauge', bargauge.Options, {}>
  | Panel<'stat', stat.Options, {}>
  | Panel<'state-timeline', timeline.Options, timeline.FieldConfig>
  | Panel<'table', table.Options, schema.TableFieldOptions>
  | Panel<'timeseries', timeseries.Options, timeseries.FieldConfig>;

type Variable = Json<Omit<schema.VariableModel, 'datasource' | 'query' | 'type'>> &
  (
    | { type: 'datasource'; query: 'prometheus' }
    | { type: 'query'; datasource: Prometheus; query: { qryType: 0 | 1; query: string; refId: string } }
    | { type: 'adhoc'; datasource: Prometheus }
  );

export type Dashboard = Json<Omit<schema.Dashboard, 'panels' | 'templating'>> & {
  panels: DashboardPanel[];
  templating: { list: Variable[] };
};
